import { CronPattern } from 'croner'

/** Longer than any that a person writes. */
export const MAX_CRON_LENGTH = 100

const NICKNAMES: ReadonlyMap<string, string> = new Map([
  ['@yearly', '0 0 1 1 *'],
  ['@annually', '0 0 1 1 *'],
  ['@monthly', '0 0 1 * *'],
  ['@weekly', '0 0 * * 0'],
  ['@daily', '0 0 * * *'],
  ['@midnight', '0 0 * * *'],
  ['@hourly', '0 * * * *'],
])

/** In the order of a text, with the values that croner knows. */
const FIELDS = [
  { name: 'second', values: '0-59' },
  { name: 'minute', values: '0-59' },
  { name: 'hour', values: '0-23' },
  { name: 'day of month', values: '1-31, L, LW or a day with W' },
  { name: 'month', values: '1-12 or JAN-DEC' },
  { name: 'day of week', values: '0-7 or SUN-SAT, with L or #1 to #5' },
] as const

/** croner's reasons, by its words, in ours. */
const REASONS: readonly (readonly [RegExp, string])[] = [
  [/stepping (start|with (missing|numeric) prefix)/, 'a step follows * or a range, such as */5 or 10-50/5'],
  [/stepping/, 'a step is a whole number from 1'],
  [/steps cannot be greater/, 'the step is greater than the field'],
  [/larger than to value/, 'the range runs backwards'],
  [/has to stand alone/, 'a name stands alone or in a range'],
  [/LW can not be in a list|L has to be a value of its own/, 'L is a value of its own and LW the only one'],
]

/** A cron text that cannot be read; the message says which part and why, for people. */
export class CronSyntaxError extends Error {}

/** The six fields of a cron text, seconds first, as they were written; a nickname's own. */
export interface CronFields {
  readonly second: string
  readonly minute: string
  readonly hour: string
  readonly dayOfMonth: string
  readonly month: string
  readonly dayOfWeek: string
}

/** @throws CronSyntaxError */
export function readCronFields(cron: string): CronFields {
  if (cron.length > MAX_CRON_LENGTH) throw new CronSyntaxError(`must be at most ${MAX_CRON_LENGTH} characters long`)
  const [second = '', minute = '', hour = '', dayOfMonth = '', month = '', dayOfWeek = ''] = splitFields(cron)
  return { second, minute, hour, dayOfMonth, month, dayOfWeek }
}

/**
 * What croner makes of the fields. It also knows `?`, `+` (both days at once) and years, which not every cron does and we
 * do not promise.
 * @throws CronSyntaxError
 */
export function parseCronFields(fields: CronFields): CronPattern {
  const texts = Object.values(fields) as string[]
  for (const [index, text] of texts.entries()) {
    const stranger = /[?+]/.exec(text)?.[0]
    if (stranger !== undefined) throw fieldError(index, text, `${stranger} has no meaning here`)
  }
  try {
    return parse(texts)
  } catch (error) {
    throw blame(texts, error)
  }
}

function splitFields(cron: string): string[] {
  const text = cron.trim()
  const nickname = NICKNAMES.get(text.toLowerCase())
  if (nickname === undefined && text.startsWith('@')) {
    throw new CronSyntaxError(`"${text}" is none of ${[...NICKNAMES.keys()].join(', ')}`)
  }
  const fields = (nickname ?? text).split(/\s+/)
  if (fields.length === FIELDS.length) return fields
  if (fields.length === FIELDS.length - 1) return ['0', ...fields]
  const count = text === '' ? 0 : fields.length
  const names = FIELDS.slice(1).map(({ name }) => name)
  throw new CronSyntaxError(`must have five fields (${names.join(', ')}) or six (second first), not ${count}`)
}

function parse(texts: readonly string[]): CronPattern {
  return new CronPattern(texts.join(' '), undefined, { mode: '6-part' })
}

/** The first field that croner refuses on its own. */
function blame(texts: readonly string[], cause: unknown): CronSyntaxError {
  for (const [index, text] of texts.entries()) {
    try {
      parse(FIELDS.map((_, other) => (other === index ? text : '*')))
    } catch (error) {
      const message = (error as Error).message
      const reason = REASONS.find(([pattern]) => pattern.test(message))?.[1]
      return fieldError(index, text, reason ?? `it takes ${FIELDS[index]?.values}`)
    }
  }
  return new CronSyntaxError('cannot be read', { cause })
}

function fieldError(index: number, text: string, reason: string): CronSyntaxError {
  return new CronSyntaxError(`${FIELDS[index]?.name} "${text}" cannot be read: ${reason}`)
}
