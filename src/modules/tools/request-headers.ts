/** RFC 9110, section 5.6.2. */
export const HEADER_NAME_PATTERN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
/** Visible ASCII with blanks and tabs between: no line can end in it. */
export const HEADER_VALUE_PATTERN = /^[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?$/

/** The connection's own business, or what a server may take for the word of a proxy. */
const RESERVED = new Set([
  'connection',
  'content-length',
  'cookie',
  'expect',
  'forwarded',
  'host',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'via',
  'x-real-ip',
])
const RESERVED_PREFIXES = ['proxy-', 'x-forwarded-']

export function isReservedHeader(name: string): boolean {
  const lowerCase = name.toLowerCase()
  return RESERVED.has(lowerCase) || RESERVED_PREFIXES.some((prefix) => lowerCase.startsWith(prefix))
}

/** By lower-case name; of two alike the later counts. */
export function mergeHeaders(...all: readonly Readonly<Record<string, string>>[]): Record<string, string> {
  const entries = all.flatMap((headers) => Object.entries(headers))
  return Object.fromEntries(entries.map(([name, value]) => [name.toLowerCase(), value]))
}
