/**
 * Cookies of a browser session. `__Host-` binds them to this host, over TLS, for all paths (RFC 6265bis §4.1.3.2): no
 * other host can set them, which the double-submit of the CSRF token stands on.
 */
export const ACCESS_COOKIE = '__Host-temponest-access'
export const REFRESH_COOKIE = '__Host-temponest-refresh'
/** Read by our own pages, which send it back as `X-CSRF-Token`. */
export const CSRF_COOKIE = '__Host-temponest-csrf'
export const CSRF_HEADER = 'x-csrf-token'

const SHARED = { path: '/', secure: true, sameSite: 'lax' } as const
export const SECRET_COOKIE_OPTIONS = { ...SHARED, httpOnly: true }
export const READABLE_COOKIE_OPTIONS = { ...SHARED, httpOnly: false }
