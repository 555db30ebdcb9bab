/** Deeper values can run a recursion, or the database, out of stack. */
const MAX_DEPTH = 20

/** Why PostgreSQL could not hold this JSON as `jsonb`, or we not walk through it; null when all is well. */
export function findUnstorable(value: unknown, depth = 0): string | null {
  if (typeof value === 'string') return isStorableText(value) ? null : 'must not contain null characters or broken text'
  // A parser makes Infinity of 1e309, which JSON has no word for: it would come back as null.
  if (typeof value === 'number') return Number.isFinite(value) ? null : 'must not contain numbers beyond 1.8e308'
  if (typeof value !== 'object' || value === null) return null
  if (depth > MAX_DEPTH) return `must be nested at most ${MAX_DEPTH} deep`
  for (const [key, inner] of Object.entries(value)) {
    const found = findUnstorable(key) ?? findUnstorable(inner, depth + 1)
    if (found !== null) return found
  }
  return null
}

function isStorableText(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed()
}
