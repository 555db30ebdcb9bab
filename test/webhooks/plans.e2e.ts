import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { newId } from '#kernel/ids.js'
import { explain } from '../support/explain.js'
import { MigratedDatabase } from '../support/migrated-database.js'

const TENANTS = 20
const WEBHOOKS_PER_TENANT = 2
const DELIVERIES_PER_WEBHOOK = 1000
/** Of a delivery in the middle of what is planted. */
const MIDDLE = `uuid_at(now() - interval '${DELIVERIES_PER_WEBHOOK / 2} minutes')`

let database: MigratedDatabase
let tenantId: string
let webhookId: string

/** A minute between two deliveries of a webhook; one in a hundred failed, and one in a hundred waits. */
beforeAll(async () => {
  database = await MigratedDatabase.create()
  const tenants = Array.from({ length: TENANTS }, newId)
  tenantId = tenants[0]!
  const { superuser } = database
  await superuser.query(`INSERT INTO tenants (id, name, created_at) SELECT unnest($1::uuid[]), 'x', now()`, [tenants])
  await superuser.query(
    `INSERT INTO webhooks (tenant_id, id, url, events, is_active, created_at, updated_at)
     SELECT tenant, gen_random_uuid(), 'x', '{*}', false, now(), now()
       FROM unnest($1::uuid[]) AS tenant, generate_series(1, $2)`,
    [tenants, WEBHOOKS_PER_TENANT],
  )
  await superuser.query(
    `INSERT INTO webhook_messages (tenant_id, id, type, body, created_at)
     SELECT tenant, n::text, 'x', '{}', now() - n * interval '1 minute'
       FROM unnest($1::uuid[]) AS tenant, generate_series(1, $2) AS n`,
    [tenants, DELIVERIES_PER_WEBHOOK],
  )
  await superuser.query(
    `INSERT INTO webhook_deliveries (tenant_id, id, webhook_id, message_id, event_type, status, next_retry_at, created_at)
     SELECT m.tenant_id, uuid_at(m.created_at), w.id, m.id, m.type,
            CASE m.id::integer % 100 WHEN 0 THEN 'exhausted' WHEN 1 THEN 'retrying' ELSE 'delivered' END,
            CASE m.id::integer % 100 WHEN 1 THEN now() END, m.created_at
       FROM webhook_messages m JOIN webhooks w USING (tenant_id)`,
  )
  await superuser.query(
    `INSERT INTO webhook_attempts (tenant_id, delivery_id, number, started_at, duration_ms)
     SELECT tenant_id, id, 1, now(), 1 FROM webhook_deliveries`,
  )
  await superuser.query(
    `INSERT INTO webhook_replays (tenant_id, id, webhook_id, since, until, created_at, finished_at)
     SELECT tenant_id, gen_random_uuid(), id, now(), now(), now(), CASE WHEN n > 1 THEN now() END
       FROM webhooks, generate_series(1, 100) AS n`,
  )
  await superuser.query('ANALYZE')
  webhookId = (
    await database.rows<{ id: string }>('SELECT id FROM webhooks WHERE tenant_id = $1 LIMIT 1', [tenantId])
  )[0]!.id
})
afterAll(async () => database[Symbol.asyncDispose]())

const plan = (sql: string): Promise<string> =>
  explain(database, { tenantId }, sql.replaceAll(':tenant', `'${tenantId}'`).replaceAll(':webhook', `'${webhookId}'`))

const DELIVERIES_OF = 'FROM webhook_deliveries d WHERE d.tenant_id = :tenant AND d.webhook_id = :webhook'

it.each([
  ['a page', `SELECT * ${DELIVERIES_OF} ORDER BY d.id DESC LIMIT 21`, 'idx_webhook_deliveries_tenant_webhook', 'id'],
  [
    'a page of one status',
    `SELECT * ${DELIVERIES_OF} AND d.status = 'exhausted' AND d.id < ${MIDDLE} ORDER BY d.id DESC LIMIT 21`,
    'idx_webhook_deliveries_webhook_status_date',
    'id',
  ],
  [
    'a page of a window of time',
    `SELECT * ${DELIVERIES_OF} AND d.id < ${MIDDLE} AND d.created_at < now() - interval '500 minutes' ORDER BY d.id DESC LIMIT 21`,
    'idx_webhook_deliveries_tenant_webhook',
    'id',
  ],
  [
    "a replay's next batch",
    `SELECT * ${DELIVERIES_OF} AND d.id > ${MIDDLE} AND d.created_at < now() ORDER BY d.id LIMIT 500`,
    'idx_webhook_deliveries_tenant_webhook',
    'id',
  ],
  [
    "a replay's next batch of one status",
    `SELECT * ${DELIVERIES_OF} AND d.status = 'exhausted' AND d.id > ${MIDDLE} ORDER BY d.id LIMIT 500`,
    'idx_webhook_deliveries_webhook_status_date',
    'id',
  ],
  [
    'what a replay has told already',
    `SELECT 1 FROM webhook_deliveries d WHERE d.tenant_id = :tenant AND d.message_id = '7' AND d.replay_id = '${newId()}'`,
    'idx_webhook_deliveries_tenant_message',
    'message_id',
  ],
])(
  '%s of deliveries is found by the index, from where it begins to where it ends',
  async (_what, sql, index, column) => {
    const found = await plan(sql)
    expect(found).toContain(index)
    expect(found).toMatch(new RegExp(`Index Cond: .*${column}`))
    expect(found).not.toMatch(/Seq Scan|Sort/)
  },
)

it('open replays of all tenants are found by their small index', async () => {
  const sql = `SELECT id FROM webhook_replays WHERE finished_at IS NULL AND (tenant_id, webhook_id) > ('${tenantId}', '${webhookId}')
                ORDER BY tenant_id, webhook_id LIMIT 100`
  const found = await explain(database, { purpose: 'webhooks.replay' }, sql)
  expect(found).toContain('webhook_replays_open_key')
  expect(found).not.toContain('Seq Scan')
})

it('old messages of all tenants are found by their age', async () => {
  const sql = `SELECT tenant_id, id FROM webhook_messages WHERE created_at < now() - 10 * interval '1 day'
                ORDER BY created_at LIMIT 100`
  const found = await explain(database, { purpose: 'webhooks.retention' }, sql)
  expect(found).toMatch(/idx_webhook_messages_age[^]*Index Cond/)
  expect(found).not.toMatch(/Seq Scan|Sort/)
})

/** As PostgreSQL's own cascade has it (ri_triggers.c), which no policy is added to. */
it.each([
  [
    'deliveries',
    `DELETE FROM ONLY webhook_deliveries WHERE tenant_id = $1 AND message_id = $2`,
    'text',
    'tenant_message',
  ],
  ['attempts', `DELETE FROM ONLY webhook_attempts WHERE tenant_id = $1 AND delivery_id = $2`, 'uuid', 'attempts_pkey'],
])('%s that go with what they are of are found by an index', async (_what, sql, type, index) => {
  const found = await database.undone(async () => {
    await database.superuser.query('SET LOCAL plan_cache_mode = force_generic_plan')
    await database.superuser.query(`PREPARE ${index} (uuid, ${type}) AS ${sql}`)
    const rows = await database.rows<{ 'QUERY PLAN': string }>(`EXPLAIN EXECUTE ${index} ('${newId()}', '${newId()}')`)
    return rows.map((row) => row['QUERY PLAN']).join('\n')
  })
  expect(found).toContain(index)
  expect(found).not.toContain('Seq Scan')
})
