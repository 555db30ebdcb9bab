/** A null character, or half of a surrogate pair as JSON escapes it; an escaped backslash is passed over. */
const JSON_ESCAPE = /\\(?:u0000|ud[89a-f][0-9a-f]{2}|.)/g
const REPLACEMENT = '\uFFFD'

/** Whether PostgreSQL can hold the text at all: null characters are the one thing that it refuses. */
export function isStorable(text: string): boolean {
  return !text.includes('\0')
}

/** What a model or a provider said, with U+FFFD where PostgreSQL could not hold it: losing the answer would be worse. */
export function toStorableText(text: string): string {
  return text.replaceAll('\0', REPLACEMENT).toWellFormed()
}

/** A JSON value as it comes back from a `jsonb` column. */
export function toStorableValue(value: unknown): unknown {
  return JSON.parse(toStorableJson(value))
}

/** JSON for a `jsonb` column, which refuses null characters and halves of surrogate pairs, in keys and values alike. */
export function toStorableJson(value: unknown): string {
  const json = JSON.stringify(value)
  // Nearly all: line ends and quotes are escapes, too, and would have to be looked at one by one.
  if (!json.includes('\\u')) return json
  return json.replaceAll(JSON_ESCAPE, (escape) => (escape.length > 2 ? '\\ufffd' : escape))
}
