import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import type { TestApp } from './test-app.js'

const POLL_MS = 10
const WAIT_LIMIT_MS = 10_000

/** Keeps the people of a tenant locked until `work` commits, or is over; `whenWaiting` resolves once so many requests wait for the lock. */
export async function holdTenant(
  app: TestApp,
  tenantId: string,
  work: (held: { client: Client; whenWaiting: (requests: number) => Promise<void> }) => Promise<void>,
): Promise<void> {
  const client = new Client({ connectionString: app.database.url })
  await client.connect()
  try {
    await client.query('BEGIN')
    await client.query('SELECT 1 FROM tenants WHERE id = $1 FOR NO KEY UPDATE', [tenantId])
    await work({ client, whenWaiting: (requests) => whenWaiting(app, requests) })
  } finally {
    await client.end()
  }
}

/** Resolves once so many statements wait for a lock. */
export async function whenWaiting(app: TestApp, requests: number): Promise<void> {
  const deadline = Date.now() + WAIT_LIMIT_MS
  while (Date.now() < deadline) {
    const waiting = await app.sql(
      `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    )
    if (waiting.length >= requests) return
    await sleep(POLL_MS)
  }
  throw new Error('the requests do not wait for the lock')
}
