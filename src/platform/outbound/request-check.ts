import { refused } from './outbound-errors.js'

export const MAX_REQUEST_BODY_BYTES = 1024 * 1024
export const MAX_REQUEST_HEADER_BYTES = 16 * 1024
/** By the names that HTTP has for them. TRACE and CONNECT are tools against whoever is in between. */
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const
const BODILESS_METHODS: ReadonlySet<OutboundMethod> = new Set(['GET', 'HEAD'])
/** The connection's own business. `Host` is the URL's: another one would choose a certificate and a server behind a proxy. */
const RESERVED_HEADERS = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

export type OutboundMethod = (typeof METHODS)[number]

/** @throws AppError `outbound_refused` */
export function checkMethod(given: string, { hasBody }: { readonly hasBody: boolean }): OutboundMethod {
  const method = METHODS.find((known) => known === given)
  if (method === undefined) throw refused(`The method ${given} may not be used.`)
  if (hasBody && BODILESS_METHODS.has(method)) throw refused(`A ${method} request has no body.`)
  return method
}

export type GivenHeaders = ConstructorParameters<typeof Headers>[0]

/** @throws AppError `outbound_refused` for headers that are malformed, reserved or too large altogether */
export function checkHeaders(given: GivenHeaders): Record<string, string> {
  const entries = [...parseHeaders(given)]
  const reserved = entries.find(([name]) => RESERVED_HEADERS.has(name))
  if (reserved) throw refused(`The header ${reserved[0]} may not be set.`)
  const bytes = entries.reduce((sum, [name, value]) => sum + name.length + value.length, 0)
  if (bytes > MAX_REQUEST_HEADER_BYTES) throw refused(`The headers have more than ${MAX_REQUEST_HEADER_BYTES} bytes.`)
  return Object.fromEntries(entries)
}

/** What can be measured before it is sent; a stream cannot. */
export type OutboundBody = string | Uint8Array | URLSearchParams

/** @throws AppError `outbound_refused` for a body that is too large or of another kind */
export function checkBody(body: unknown): OutboundBody | null {
  if (body === undefined || body === null) return null
  if (typeof body !== 'string' && !(body instanceof Uint8Array) && !(body instanceof URLSearchParams)) {
    throw refused('The body must be a text or bytes.')
  }
  const bytes = Buffer.byteLength(body instanceof URLSearchParams ? body.toString() : body)
  if (bytes > MAX_REQUEST_BODY_BYTES) throw refused(`The body has more than ${MAX_REQUEST_BODY_BYTES} bytes.`)
  return body
}

function parseHeaders(given: GivenHeaders): Headers {
  try {
    return new Headers(given)
  } catch (error) {
    throw refused('A header is malformed.', error)
  }
}
