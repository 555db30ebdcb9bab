import { createHash } from 'node:crypto'

const MAX_URI_LENGTH = 1000
const DIRECTIVE_PATTERN = /^[a-z][a-z-]{0,63}$/
/** What browsers write where nothing has an address: `inline`, `eval`, `data`, … */
const KEYWORD_PATTERN = /^[a-z][a-z-]{0,31}$/
const HIERARCHICAL = new Set(['http:', 'https:', 'ws:', 'wss:'])

/** What a policy has stopped. */
export interface CspViolation {
  readonly directive: string
  readonly documentUri: string
  readonly blockedUri: string
}

/**
 * A violation without anything that could belong to a person.
 * @returns null when this is nothing that a browser would say
 */
export function toViolation({ directive, documentUri, blockedUri }: CspViolation): CspViolation | null {
  // The older format names the whole directive, sources and all.
  const name = directive.trim().split(/\s/, 1)[0]?.toLowerCase() ?? ''
  const document = withoutSecrets(documentUri)
  const blocked = blockedUri === '' ? 'unknown' : withoutSecrets(blockedUri)
  if (!DIRECTIVE_PATTERN.test(name) || document === null || blocked === null) return null
  return { directive: name, documentUri: document, blockedUri: blocked }
}

/**
 * Whether its document is of our origin: anybody may report what his own pages have done.
 * @param publicUrl where clients reach us; where it is unset, what `host` they came by
 */
export function isOfOrigin({ documentUri }: CspViolation, publicUrl: string | undefined, host: string): boolean {
  if (!URL.canParse(documentUri)) return false
  const { protocol, origin } = new URL(documentUri)
  if (!HIERARCHICAL.has(protocol)) return false
  // Behind a proxy we do not see by which scheme the browser came.
  const ours = publicUrl ?? `${protocol}//${host}`
  return URL.canParse(ours) && new URL(ours).origin === origin
}

/** Equal for violations of one kind. */
export function fingerprintOf({ directive, documentUri, blockedUri }: CspViolation): Buffer {
  return createHash('sha256').update([directive, documentUri, blockedUri].join('\n')).digest()
}

/** Origin and path; of a URL that has neither its scheme. User, password, query and fragment may hold secrets. */
function withoutSecrets(uri: string): string | null {
  if (KEYWORD_PATTERN.test(uri)) return uri
  if (!URL.canParse(uri)) return null
  const { protocol, origin, pathname } = new URL(uri)
  return HIERARCHICAL.has(protocol) ? `${origin}${pathname}`.slice(0, MAX_URI_LENGTH) : protocol.slice(0, -1)
}
