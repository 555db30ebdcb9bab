import type { ChainedFacts } from './audit-chain.js'

/** What separates words to a reader, where PostgreSQL's parser sees one e-mail address, host or path. */
const SEPARATORS = /[^\p{L}\p{M}\p{N}]+/gu

/**
 * The text that an entry is found by: action, resource, actor, and the values before and after, as they are (so that a whole
 * address or id is one word) and split at punctuation (so that a part of it is found as well).
 */
export function searchTextOf({ action, resource, actor, before, after }: ChainedFacts): string {
  const whole = foldText(
    [action, resource.type, resource.id, `${resource.type}/${resource.id}`, actor.type, actor.id ?? '']
      .concat(valuesOf(before), valuesOf(after))
      .join('\n'),
  )
  return `${whole}\n${whole.replaceAll(SEPARATORS, ' ')}`
}

/** One spelling for what readers take for the same, here since a database of locale C folds ASCII alone. */
export function foldText(text: string): string {
  return text.normalize('NFKC').toLowerCase()
}

function valuesOf(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  if (typeof value === 'number' || typeof value === 'boolean') return [String(value)]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(valuesOf) : []
}
