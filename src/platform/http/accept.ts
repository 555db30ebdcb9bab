const EVENT_STREAM = 'text/event-stream'
/** What can mean JSON, the most specific first: that one counts (RFC 9110 §12.5.1). */
const JSON_RANGES = ['application/json', 'application/*', '*/*']
const WEIGHT_PATTERN = /^q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/

/**
 * Whether a client would rather have events than JSON: it names them, and likes JSON no better. Who takes anything gets JSON.
 * @param accept the header; undefined: anything will do
 */
export function prefersEventStream(accept: string | undefined): boolean {
  const weights = new Map((accept ?? '').toLowerCase().split(',').map(parseRange))
  const ofEvents = weights.get(EVENT_STREAM) ?? 0
  const jsonRange = JSON_RANGES.find((range) => weights.has(range))
  const ofJson = jsonRange === undefined ? 0 : (weights.get(jsonRange) ?? 0)
  return ofEvents > 0 && ofEvents >= ofJson
}

/** A weight that cannot be read is none: the range does not count. */
function parseRange(text: string): [range: string, weight: number] {
  const [range = '', ...parameters] = text.split(';').map((part) => part.trim())
  const weight = parameters.find((parameter) => parameter.startsWith('q='))
  return [range, weight === undefined ? 1 : Number(WEIGHT_PATTERN.exec(weight)?.[1] ?? 0)]
}
