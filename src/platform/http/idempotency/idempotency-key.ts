import { invalidField } from '#kernel/app-error.js'

export const IDEMPOTENCY_KEY_HEADER = 'idempotency-key'
export const MAX_IDEMPOTENCY_KEY_LENGTH = 255
/** Visible ASCII. Two headers arrive as one text with a comma and a space, and are refused by that. */
export const IDEMPOTENCY_KEY_PATTERN = /^[\x21-\x7e]{1,255}$/

/** @throws AppError `validation_failed` */
export function parseIdempotencyKey(header: string | string[]): string {
  if (typeof header === 'string' && IDEMPOTENCY_KEY_PATTERN.test(header)) return header
  const detail = `Must be 1 to ${MAX_IDEMPOTENCY_KEY_LENGTH} visible ASCII characters, without spaces.`
  throw invalidField(`/headers/${IDEMPOTENCY_KEY_HEADER}`, detail)
}
