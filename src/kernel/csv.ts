/** What a spreadsheet takes for the beginning of a formula, its full-width forms included (OWASP, "CSV Injection"). */
const FORMULA_START = /^\s*[=+\-@|＝＋－＠]|^[\t\r\n]/

export type CsvCell = string | number | boolean | null

/** A line of CSV (RFC 4180): every cell quoted, none that a spreadsheet would run. */
export function toCsvLine(cells: readonly CsvCell[]): string {
  return `${cells.map(toCell).join(',')}\r\n`
}

function toCell(value: CsvCell): string {
  const text = String(value ?? '')
  return `"${(FORMULA_START.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`
}
