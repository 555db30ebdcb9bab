import type { TestApp } from './test-app.js'

interface Queued {
  readonly tenantIds: readonly string[]
  /** Of each tenant. */
  readonly count: number
}

/** For how long the first of them has waited; each of the others has waited a millisecond less. */
const WAITED_SECONDS = 60

/** Puts runs into the queue behind the server's back: nobody rings a bell for them. Their tasks are `Task <n>`, from 1. */
export async function plantQueuedRuns(app: TestApp, { tenantIds, count }: Queued): Promise<void> {
  await app.sql(
    `INSERT INTO runs (tenant_id, id, root_run_id, agent, agent_version, status, task, model, input, cost_usd, cache,
                       created_at, queued_since)
     SELECT q.tenant, q.id, q.id, 'developer', 1, 'pending', 'Task ' || q.n, 'openai/gpt-4o-mini', '{"cache": "off"}', 0, 'off',
            q.since, q.since
       FROM (SELECT n, tenant, gen_random_uuid() AS id, now() - $3 * interval '1 s' + n * interval '1 ms' AS since
               FROM unnest($1::uuid[]) AS tenant, generate_series(1, $2) AS n) AS q`,
    [tenantIds, count, WAITED_SECONDS],
  )
}
