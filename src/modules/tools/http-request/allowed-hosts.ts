import { isIP } from 'node:net'

const DEFAULT_PORTS: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' }
/** `*.` at most once, a host in any script or in brackets, a port; nothing else that a URL could hold. */
const ENTRY = /^(?<wildcard>\*\.)?(?<host>\[[0-9a-f:.]+\]|[^\s/?#@\\:*%[\]]+)(?::(?<port>\d{1,5}))?$/i

const MAX_PORT = 65_535

/** One entry of an allow-list, spelled as URLs spell hosts: lower case, Punycode, addresses in their one form. */
export interface AllowedHost {
  readonly host: string
  /** Also what is below the host, and not the host itself. */
  readonly isWildcard: boolean
  /** Null: the default one of http or https. */
  readonly port: string | null
}

/** `api.example.com`, `*.example.org`, `10.0.0.1:8080`; null for anything else, such as `*`, `*.com` or a URL. */
export function parseAllowedHost(entry: string): AllowedHost | null {
  const { wildcard, host: given = '', port } = ENTRY.exec(entry)?.groups ?? {}
  const host = URL.parse(`http://${given}/`)?.hostname.replace(/\.$/, '') ?? ''
  if (host === '') return null
  const isWildcard = wildcard !== undefined
  if (isWildcard && (!host.includes('.') || isIP(host) !== 0)) return null
  if (port === undefined) return { host, isWildcard, port: null }
  return Number(port) >= 1 && Number(port) <= MAX_PORT ? { host, isWildcard, port: String(Number(port)) } : null
}

/** Whether a URL's host and port are on the list, as whole names: never by what a text begins or ends with. */
export function isAllowed(url: URL, allowed: readonly AllowedHost[]): boolean {
  const defaultPort = DEFAULT_PORTS[url.protocol]
  // What stands before an @ looks like the host to a reader of the URL.
  if (defaultPort === undefined || url.username !== '' || url.password !== '') return false
  const port = url.port === '' ? defaultPort : url.port
  return allowed.some((entry) => isHostOf(entry, url.hostname) && port === (entry.port ?? defaultPort))
}

function isHostOf({ host, isWildcard }: AllowedHost, hostname: string): boolean {
  return isWildcard ? hostname.endsWith(`.${host}`) : hostname === host
}
