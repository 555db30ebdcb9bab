import { scopeStatement } from '#platform/database/scope.js'
import type { MigratedDatabase } from './migrated-database.js'
import type { RecordedStatement } from './recorded-database.js'

/** How a statement reads a table. */
export interface TableScan {
  readonly table: string
  /** Null: it reads all of it. */
  readonly index: string | null
  /** Rows that it took up, also those that it left out then; null where it was only planned. */
  readonly rows: number | null
}

interface PlanNode {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly 'Index Name'?: string
  readonly 'Actual Rows'?: number
  readonly 'Actual Loops'?: number
  readonly 'Rows Removed by Filter'?: number
  readonly 'Rows Removed by Index Recheck'?: number
  readonly Plans?: readonly PlanNode[]
}

/** `once`: for these values, run for it and undone; `ever`: for any, as a prepared statement is planned in the end. */
type Mode = 'once' | 'ever'

/** As the role that serves gets its plan, policies and all. */
export async function scansOf(
  database: MigratedDatabase,
  { scope, text, values }: RecordedStatement,
  mode: Mode,
): Promise<TableScan[]> {
  const plan = await database.undone(async () => {
    const limits = { statementTimeoutMs: 10_000, lockTimeoutMs: 10_000, idleTimeoutMs: 10_000 }
    const begin = scopeStatement(scope, limits)
    await database.superuser.query(begin.text, [...(begin.values ?? [])])
    await database.superuser.query(`SET LOCAL ROLE ${database.appRoleName}`)
    const options = mode === 'once' ? 'ANALYZE, FORMAT JSON' : 'GENERIC_PLAN, FORMAT JSON'
    const { rows } = await database.superuser.query<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>(
      `EXPLAIN (${options}) ${text}`,
      mode === 'once' ? [...values] : undefined,
    )
    return rows[0]?.['QUERY PLAN'][0].Plan
  })
  return plan ? scansIn(plan) : []
}

function scansIn(node: PlanNode, index?: string): TableScan[] {
  const below = node.Plans ?? []
  const table = node['Relation Name']
  const isScan = table !== undefined && node['Node Type'].endsWith('Scan')
  const found = node['Index Name'] ?? below.find((child) => child['Index Name'])?.['Index Name'] ?? index ?? null
  const own = isScan ? [{ table, index: found, rows: rowsOf(node) }] : []
  return [...own, ...below.flatMap((child) => scansIn(child, node['Index Name']))]
}

function rowsOf(node: PlanNode): number | null {
  const loops = node['Actual Loops']
  if (loops === undefined) return null
  const perLoop =
    (node['Actual Rows'] ?? 0) + (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Index Recheck'] ?? 0)
  return Math.round(perLoop * loops)
}
