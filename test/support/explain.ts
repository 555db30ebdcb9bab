import { type Scope, scopeStatement } from '#platform/database/scope.js'
import type { MigratedDatabase } from './migrated-database.js'

/** The plan as the role that serves gets it, policies and all. */
export function explain(database: MigratedDatabase, scope: Scope, sql: string): Promise<string> {
  return database.undone(async () => {
    const { text, values } = scopeStatement(scope, {
      statementTimeoutMs: 10_000,
      lockTimeoutMs: 10_000,
      idleTimeoutMs: 10_000,
    })
    await database.superuser.query(text, [...(values ?? [])])
    await database.superuser.query(`SET LOCAL ROLE ${database.appRoleName}`)
    const rows = await database.rows<{ 'QUERY PLAN': string }>(`EXPLAIN ${sql}`)
    return rows.map((row) => row['QUERY PLAN']).join('\n')
  })
}
