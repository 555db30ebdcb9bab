/** A million runs, each with its cost entry, as 50 tenants leave them behind in 90 days. One of them has half of it all. */
import type { Client } from 'pg'
import { copyRows, loadWith, withoutIndexes } from './copy-rows.ts'
import { withClient } from './postgres.ts'
import { ENTRY_COLUMNS, entryLines, RUN_COLUMNS, runLines, type RowsOptions, type RunOwner } from './run-rows.ts'
import { timed } from './stats.ts'

export const DAYS = 90
export const RUNS = 1_000_000
const TENANTS = 50
export const PROJECTS = 10_000
const USERS_PER_TENANT = 5
const KEYS_PER_TENANT = 4
/** Of the big tenant; inert, without a place in the queue and without a lease, so that no worker takes them up. */
const ACTIVE = { pending: 40, running: 20, waiting_approval: 10 }
const DAY_MS = 86_400_000
/** By then even the longest of them is done. */
const SETTLED_MS = 300_000

/** The sums that the rollup job would have made of all entries by then, hour by hour. */
const SUMS = `count(*), count(*) FILTER (WHERE cost_usd IS NULL), sum(input_tokens), sum(cached_input_tokens), sum(cache_write_tokens),
  sum(output_tokens), sum(reasoning_tokens), coalesce(sum(cost_usd), 0), 0, 0`
const SUM_COLUMNS = `executions, unpriced, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens,
  cost_usd, cache_hits, saved_usd`
const HOUR = `date_trunc('hour', created_at, 'UTC')`
const FILL_HOURLY = `INSERT INTO cost_hourly (tenant_id, hour, agent, model, ${SUM_COLUMNS})
  SELECT tenant_id, ${HOUR}, agent, model, ${SUMS} FROM cost_tracking GROUP BY 1, 2, 3, 4 ORDER BY 2`
const FILL_DETAIL = `INSERT INTO cost_hourly_detail (tenant_id, id, hour, agent, model, project_id, user_id, api_key_id, ${SUM_COLUMNS})
  SELECT tenant_id, uuid_at(${HOUR}), ${HOUR}, agent, model, project_id, user_id, api_key_id, ${SUMS}
    FROM cost_tracking GROUP BY tenant_id, ${HOUR}, agent, model, project_id, user_id, api_key_id ORDER BY 3`

/** What autovacuum has not come to yet: what is read from an index alone is read from these pages, too. */
const TOUCH_LAST_DAY = `UPDATE runs SET last_event = last_event + 1 WHERE created_at > now() - interval '1 day'`

export interface BigTenant {
  readonly tenantId: string
  readonly userId: string
}

/** Who registered it. */
export async function userOf(url: string, tenantId: string): Promise<string> {
  return withClient(url, async (sql) => {
    const { rows } = await sql.query<{ userId: string }>(
      'SELECT user_id AS "userId" FROM memberships WHERE tenant_id = $1',
      [tenantId],
    )
    return rows[0]!.userId
  })
}

/** Fills a migrated database for a tenant that exists and 49 more. @returns how long it took, in ms */
export async function plantMillionRuns(url: string, big: BigTenant): Promise<number> {
  const { ms } = await timed(async () => {
    const owners = await withClient(url, (sql) => plantOwners(sql, big))
    const [first, ...others] = owners as [RunOwner, ...RunOwner[]]
    const rows: RowsOptions = {
      ...lastDays(),
      count: RUNS,
      ownerOf: (nth) => {
        const place = Math.floor(nth / 2)
        if (nth % 2 === 0) return { owner: first, place }
        return { owner: others[place % others.length]!, place: Math.floor(place / others.length) }
      },
    }
    await withoutIndexes(url, ['runs', 'cost_tracking', 'cost_hourly', 'cost_hourly_detail'], async () => {
      await Promise.all([
        copyRows(url, `runs (${RUN_COLUMNS})`, runLines(rows)),
        copyRows(url, `cost_tracking (${ENTRY_COLUMNS})`, entryLines(rows)).then(() => sumUp(url)),
      ])
      await withClient(url, (sql) => plantActive(sql, big))
    })
    await loadWith(url, 'VACUUM (ANALYZE)', TOUCH_LAST_DAY)
  })
  return ms
}

/** Cost entries alone, all of them one tenant's. */
export async function plantEntries(url: string, big: BigTenant, count: number): Promise<void> {
  const [owner] = (await withClient(url, (sql) => plantOwners(sql, big))) as [RunOwner]
  const rows: RowsOptions = { ...lastDays(), count, ownerOf: (place) => ({ owner, place }) }
  await withoutIndexes(url, ['cost_tracking', 'cost_hourly', 'cost_hourly_detail'], async () => {
    await copyRows(url, `cost_tracking (${ENTRY_COLUMNS})`, entryLines(rows))
    await sumUp(url)
  })
  await loadWith(url, 'VACUUM (ANALYZE)')
}

async function sumUp(url: string): Promise<void> {
  await Promise.all([loadWith(url, FILL_HOURLY), loadWith(url, FILL_DETAIL)])
}

function lastDays(): { from: Date; to: Date } {
  const to = new Date(Date.now() - SETTLED_MS)
  return { from: new Date(to.getTime() - DAYS * DAY_MS), to }
}

/** The big tenant first, with half of all projects; the others share the rest. */
async function plantOwners(sql: Client, { tenantId, userId }: BigTenant): Promise<RunOwner[]> {
  const { rows: tenants } = await sql.query<{ id: string }>(
    `INSERT INTO tenants (id, name, created_at) SELECT uuid_at(now()), 'Bench', now() FROM generate_series(2, $1::integer) RETURNING id`,
    [TENANTS],
  )
  const tenantIds = [tenantId, ...tenants.map(({ id }) => id)]
  await sql.query(
    `WITH made AS (
       INSERT INTO users (id, email, created_at, updated_at)
       SELECT uuid_at(now()), 'bench-' || nth || '@example.com', now(), now() FROM generate_series(2, $3::integer) AS nth RETURNING id)
     INSERT INTO memberships (tenant_id, user_id, role, created_at)
     SELECT tenant, id, 'member', now() FROM unnest($1::uuid[]) AS tenant, (SELECT id FROM made UNION ALL SELECT $2) AS people
         ON CONFLICT DO NOTHING`,
    [tenantIds, userId, USERS_PER_TENANT],
  )
  await sql.query(
    `INSERT INTO api_keys (tenant_id, id, user_id, name, prefix, key_hash, scopes, created_at)
     SELECT tenant, uuid_at(now()), $2, 'key ' || nth, 'tn_bench', sha256((tenant::text || nth)::bytea), '{}', now()
       FROM unnest($1::uuid[]) AS tenant, generate_series(1, $3::integer) AS nth`,
    [tenantIds, userId, KEYS_PER_TENANT],
  )
  await sql.query(
    `INSERT INTO projects (tenant_id, id, slug, name, description, created_at, updated_at)
     SELECT ($1::uuid[])[CASE WHEN nth % 2 = 0 THEN 1 ELSE 2 + (nth / 2) % ($2::integer - 1) END], uuid_at(at), 'project-' || nth,
            'Project ' || nth, 'What the team works on in quarter ' || nth % 4 || '.', at, at
       FROM generate_series(0, $3::integer - 1) AS nth, LATERAL (SELECT now() - ($4 + (1 - nth::float8 / $3)) * interval '1 day' AS at) AS made`,
    [tenantIds, TENANTS, PROJECTS, DAYS],
  )
  const { rows } = await sql.query<RunOwner>(
    `SELECT t.id AS "tenantId", ARRAY(SELECT id FROM projects WHERE tenant_id = t.id ORDER BY id) AS "projectIds",
            ARRAY(SELECT user_id FROM memberships WHERE tenant_id = t.id) AS "userIds",
            ARRAY(SELECT id FROM api_keys WHERE tenant_id = t.id) AS "apiKeyIds"
       FROM unnest($1::uuid[]) WITH ORDINALITY AS t (id, nth) ORDER BY nth`,
    [tenantIds],
  )
  return rows
}

async function plantActive(sql: Client, { tenantId, userId }: BigTenant): Promise<void> {
  await sql.query('SET session_replication_role = replica')
  await sql.query(
    `INSERT INTO runs (tenant_id, id, root_run_id, agent, agent_version, status, task, model, input, user_id, created_at, started_at)
     SELECT $1, id, id, 'developer', 1, status, 'Not done yet.', 'openai/gpt-5-mini', '{}', $2, now(), CASE WHEN status <> 'pending' THEN now() END
       FROM (SELECT key AS status, uuid_at(now()) AS id FROM jsonb_each_text($3), generate_series(1, value::integer)) AS planted`,
    [tenantId, userId, ACTIVE],
  )
}
