import { expect } from '@jest/globals'
import type { TestApp } from '../support/test-app.js'
import type { Interleaving } from './interleaving.js'

/** How the direct uses of the database have to end, each of them often enough to mean something. */
const ENDS = [
  'branch left behind: division by zero',
  'committed: done',
  'failed read: division by zero',
  'read without a tenant: done',
  'read: done',
  'statement timeout: unavailable: The database is not available.',
  'thrown after a write: changed my mind',
  'write to another tenant: new row violates row-level security policy for table "projects"',
]

/** Nobody was shown, and nobody wrote, what is another's; and all that was to fail did. */
export async function expectNoForeignRow(app: TestApp, result: Interleaving, requests: number): Promise<void> {
  expect(result.foreign).toEqual([])
  const { cancelled = 0, ...answered } = Object.fromEntries(result.requests)
  expect(Object.keys(answered).sort()).toEqual(expect.arrayContaining(['200', '400', '404']))
  expect(Object.keys(answered).filter((outcome) => !['200', '202', '400', '404'].includes(outcome))).toEqual([])
  expect(cancelled).toBeGreaterThan(requests / 100)
  expect([...result.requests.values()].reduce((sum, count) => sum + count, 0)).toBe(requests)
  expect([...result.transactions.keys()].sort()).toEqual(ENDS)
  expect(Math.min(...result.transactions.values())).toBeGreaterThan(requests / 50)

  const [written] = await app.sql(
    `SELECT (SELECT count(*) FROM runs WHERE task <> 'Secret of ' || tenant_id)
            + (SELECT count(*) FROM projects WHERE name <> 'Secret of ' || tenant_id) AS foreign_rows,
            (SELECT count(*) FROM projects WHERE slug LIKE 'lost-%') AS rolled_back_rows,
            (SELECT count(*)::int FROM projects WHERE slug LIKE 'kept-%') AS kept`,
  )
  expect(written).toEqual({
    foreign_rows: '0',
    rolled_back_rows: '0',
    kept: result.transactions.get('committed: done'),
  })
}
