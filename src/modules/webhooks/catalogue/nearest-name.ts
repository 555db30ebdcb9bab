/** A mistake in every so many characters is still taken for a slip. */
const CHARACTERS_PER_SLIP = 2.5

/** The name that was probably meant: the one with the fewest characters to change, whatever their case; null where all are far off. */
export function nearestName(given: string, names: readonly string[]): string | null {
  let nearest: string | null = null
  let fewest = Infinity
  for (const name of names) {
    const edits = distance(given.toLowerCase(), name.toLowerCase())
    const tolerated = Math.floor(Math.max(given.length, name.length) / CHARACTERS_PER_SLIP)
    if (edits > tolerated || edits >= fewest) continue
    nearest = name
    fewest = edits
  }
  return nearest
}

/** Levenshtein's: how many characters to insert, delete or replace. One row of the table is enough. */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (const [index, character] of Array.from(from).entries()) {
    const next = [index + 1]
    for (let column = 1; column <= to.length; column += 1) {
      const [above = 0, left = 0, diagonal = 0] = [row[column], next[column - 1], row[column - 1]]
      next.push(Math.min(above + 1, left + 1, diagonal + Number(character !== to[column - 1])))
    }
    row = next
  }
  return row[to.length] ?? 0
}
