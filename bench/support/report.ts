import type { CaseResult, Check } from './bench-case.ts'

/** A case's result as text: its table, how the figures stand to the targets, its notes. */
export function formatResult(name: string, result: CaseResult): string {
  const lines = [`## ${name}`, '', ...formatTable(result.table), '', ...result.checks.map(formatCheck)]
  if (result.errors > 0) lines.push(`ERRORS ${result.errors}: these figures mean nothing`)
  return [...lines, ...result.notes.map((note) => `       ${note}`), ''].join('\n')
}

function formatCheck(check: Check): string {
  return `${check.met ? 'met   ' : 'MISSED'} ${check.what}: ${check.value} (target ${check.target})`
}

function formatTable(rows: readonly Record<string, string | number>[]): string[] {
  const columns = Object.keys(rows[0] ?? {})
  const cells = [columns, ...rows.map((row) => columns.map((column) => String(row[column] ?? '')))]
  const widths = columns.map((_, index) => Math.max(...cells.map((line) => line[index]!.length)))
  return cells.map((line) =>
    line
      .map((cell, index) => (index === 0 ? cell.padEnd(widths[index]!) : cell.padStart(widths[index]!)))
      .join('   ')
      .trimEnd(),
  )
}
