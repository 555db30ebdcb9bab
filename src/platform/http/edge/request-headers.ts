import { AppError } from '#kernel/app-error.js'

/** Of these Node takes the first, and a proxy before us may have judged the last. */
const ONCE = ['host', 'authorization', 'content-type']
const LENGTHS = new Set(ONCE.map(({ length }) => length))

/**
 * @param rawHeaders names and values in turn, as they came
 * @throws AppError `validation_failed` when one of these headers is there twice (RFC 9110 §5.3, RFC 9112 §3.2)
 */
export function assertNoneRepeated(rawHeaders: readonly string[]): void {
  let seen = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!
    if (!LENGTHS.has(name.length)) continue
    const place = ONCE.indexOf(name.toLowerCase())
    if (place === -1) continue
    if ((seen & (1 << place)) !== 0) {
      throw new AppError('validation_failed', 'invalid', { detail: `The header ${name} may be sent once.` })
    }
    seen |= 1 << place
  }
}
