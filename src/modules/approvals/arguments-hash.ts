import { createHash } from 'node:crypto'
import canonicalize from 'canonicalize'
import { AppError } from '#kernel/app-error.js'

/** A run's task and context at their largest, each character escaped, fit twice. */
export const MAX_ARGUMENTS_BYTES = 1_310_720
/** An escaped null character: `jsonb` refuses it. An escaped backslash before `u0000` is passed over. */
const NULL_CHARACTER = /(?<!\\)(?:\\\\)*\\u0000/

/**
 * SHA-256 of the arguments' canonical JSON (RFC 8785): the same for what was asked about, for what is in the table and for what is about
 * to run, whatever the order of the keys.
 * @throws AppError `invalid_arguments` as `canonicalArguments`
 */
export function hashArguments(value: unknown): Buffer {
  return createHash('sha256').update(canonicalArguments(value), 'utf8').digest()
}

/**
 * The text that is hashed, and stored. What could not be stored as it is must not be hashed: it would never match again.
 * @throws AppError `invalid_arguments` for what is not JSON, has half of a surrogate pair or a null character, or is over
 * `MAX_ARGUMENTS_BYTES`
 */
export function canonicalArguments(value: unknown): string {
  const text = canonicalOf(value)
  if (text === undefined) throw invalidArguments('are not JSON')
  if (NULL_CHARACTER.test(text)) throw invalidArguments('contain a null character')
  if (Buffer.byteLength(text) > MAX_ARGUMENTS_BYTES) throw invalidArguments(`are over ${MAX_ARGUMENTS_BYTES} bytes`)
  return text
}

function canonicalOf(value: unknown): string | undefined {
  try {
    return canonicalize(value)
  } catch (cause) {
    throw invalidArguments('are not JSON', cause)
  }
}

function invalidArguments(what: string, cause?: unknown): AppError {
  return new AppError('invalid_arguments', 'invalid', {
    detail: `Nobody can approve these arguments: they ${what}.`,
    cause,
  })
}
