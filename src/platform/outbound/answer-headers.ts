type Values = readonly (readonly [name: string, value: string | string[] | undefined])[]

/** Of a body as it was unpacked: how it was packed, and how long that was, is no longer true. */
export function unpackedHeaders(headers: Iterable<[string, string]>): Record<string, string> {
  const { 'content-encoding': _encoding, 'content-length': _length, ...kept } = joinValues([...headers])
  return kept
}

/** One text for each name (RFC 9110, section 5.3), for `Set-Cookie` too: nobody here parses them. */
export function joinValues(headers: Values): Record<string, string> {
  const joined = new Map<string, string>()
  for (const [name, value = ''] of headers) {
    const earlier = joined.get(name)
    joined.set(name, [earlier ?? [], value].flat().join(', '))
  }
  return Object.fromEntries(joined)
}
