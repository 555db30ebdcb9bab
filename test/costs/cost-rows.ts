import { newId } from '#kernel/ids.js'
import type { TestApp } from '../support/test-app.js'

/** What an entry is told apart by, and what it adds to the sums. */
export interface PlantedEntry {
  readonly createdAt: Date
  readonly agent?: string
  readonly model?: string
  readonly projectId?: string | null
  readonly userId?: string | null
  readonly apiKeyId?: string | null
  readonly inputTokens?: number
  readonly cachedInputTokens?: number
  readonly outputTokens?: number
  /** Null: unpriced. */
  readonly costUsd?: string | null
}

/** A run, for entries to belong to. @returns its id */
export async function plantRun(app: TestApp, tenantId: string): Promise<string> {
  const id = newId()
  await app.sql(
    `INSERT INTO runs (tenant_id, id, root_run_id, agent, agent_version, status, task, model, input, created_at, finished_at)
     VALUES ($1, $2, $2, 'developer', 1, 'completed', 'x', 'x', '{}', now(), now())`,
    [tenantId, id],
  )
  return id
}

export async function plantProject(
  app: TestApp,
  { tenantId, slug, isDeleted = false }: { tenantId: string; slug: string; isDeleted?: boolean },
): Promise<string> {
  const id = newId()
  await app.sql(
    `INSERT INTO projects (tenant_id, id, slug, name, created_at, updated_at, deleted_at)
     VALUES ($1, $2, $3, $3, now(), now(), CASE WHEN $4 THEN now() END)`,
    [tenantId, id, slug, isDeleted],
  )
  return id
}

/** Books entries, all in one transaction, as the ledger does. @returns their ids */
export async function plantEntries(
  app: TestApp,
  run: { tenantId: string; runId: string },
  entries: readonly PlantedEntry[],
): Promise<string[]> {
  const rows = entries.map((entry) => ({
    id: newId(),
    agent: 'developer',
    model: 'openai/gpt-5-mini',
    projectId: null,
    userId: null,
    apiKeyId: null,
    inputTokens: 0,
    cachedInputTokens: 0,
    outputTokens: 0,
    costUsd: '0',
    ...entry,
  }))
  await app.sql(
    `INSERT INTO cost_tracking (tenant_id, id, run_id, project_id, agent, model, user_id, api_key_id, input_tokens,
       cached_input_tokens, output_tokens, reasoning_tokens, cost_usd, created_at, step, is_estimated)
     SELECT $1, r.id, $2, r."projectId", r.agent, r.model, r."userId", r."apiKeyId", r."inputTokens", r."cachedInputTokens",
            r."outputTokens", 0, r."costUsd", r."createdAt", 1, false
       FROM jsonb_to_recordset($3) AS r (id uuid, "projectId" uuid, agent text, model text, "userId" uuid, "apiKeyId" uuid,
              "inputTokens" bigint, "cachedInputTokens" bigint, "outputTokens" bigint, "costUsd" numeric, "createdAt" timestamptz)`,
    [run.tenantId, run.runId, JSON.stringify(rows)],
  )
  return rows.map(({ id }) => id)
}
