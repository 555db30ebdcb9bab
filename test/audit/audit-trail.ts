import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import { AuditedEvent, type AuditFacts } from '#platform/events/audited-event.js'
import { EventBus } from '#platform/events/event-bus.js'
import type { AuditEntry, AuditVerification } from '../../src/modules/audit/audit-log.schemas.js'
import type { TestApp } from '../support/test-app.js'
import { withClient } from '../support/test-database.js'
import { PASSWORD, type TestUser } from '../support/test-user.js'

class ThingChanged extends AuditedEvent {
  readonly type = 'thing.changed'

  constructor(
    readonly tenantId: string,
    readonly audit: AuditFacts,
  ) {
    super()
  }
}

/** Emits an audited event in the caller's transaction. */
export function emit(app: TestApp, tenantId: string, facts: Partial<AuditFacts>, tx: Tx): Promise<void> {
  const audit = { action: 'thing_changed', resource: { type: 'thing', id: '1' }, ...facts }
  return app.nest.get(EventBus).emit(new ThingChanged(tenantId, audit), tx)
}

/** Emits an audited event in a transaction of its own. */
export function record(
  app: TestApp,
  { tenantId }: { tenantId: string },
  facts: Partial<AuditFacts> = {},
): Promise<void> {
  return app.nest.get(Database).transaction({ tenantId }, (tx) => emit(app, tenantId, facts, tx))
}

export async function recordMany(app: TestApp, user: TestUser, count: number): Promise<void> {
  for (let index = 1; index <= count; index += 1) await record(app, user, { after: { index } })
}

export async function list(user: TestUser, query = ''): Promise<AuditEntry[]> {
  const response = await user.request({ url: `/v1/audit-log${query}` })
  if (response.statusCode !== 200) throw new Error(`listing failed: ${response.body}`)
  return response.json().data
}

export async function verify(user: TestUser): Promise<AuditVerification> {
  const response = await user.request({ url: '/v1/audit-log/verify' })
  if (response.statusCode !== 200) throw new Error(`verifying failed: ${response.body}`)
  return response.json()
}

/** Changes the log as only a superuser can who takes its trigger away first. */
export async function tamper(app: TestApp, sql: string, values: unknown[] = []): Promise<void> {
  await withClient(app.database.url, async (client) => {
    await client.query('BEGIN')
    await client.query('ALTER TABLE audit_log DISABLE TRIGGER audit_log_append_only')
    await client.query(sql, values)
    await client.query('ALTER TABLE audit_log ENABLE TRIGGER audit_log_append_only')
    await client.query('COMMIT')
  })
}

/** Signs the user in again with another role. @returns the access token */
export async function signInAs(app: TestApp, user: TestUser, role: string): Promise<string> {
  await app.sql('UPDATE memberships SET role = $1 WHERE user_id = $2', [role, user.userId])
  const payload = { email: user.email, password: PASSWORD }
  return (await app.inject({ method: 'POST', url: '/v1/auth/login', payload })).json().accessToken
}
