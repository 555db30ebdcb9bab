import type { Run } from '../support/api-client.ts'
import { withClient } from '../support/postgres.ts'

/** As wide as our `runs`: what a run's answer shows, and what it keeps to itself (the request, the lease). */
const CREATE_TABLE = `
  CREATE TABLE runs (
    id               uuid        NOT NULL,
    tenant_id        uuid        NOT NULL,
    agent            text        NOT NULL,
    agent_version    integer     NOT NULL,
    project          text,
    status           text        NOT NULL,
    task             text        NOT NULL,
    context          text,
    output           jsonb,
    error            jsonb,
    model            text,
    input_tokens     integer     NOT NULL,
    cached_input_tokens integer  NOT NULL,
    output_tokens    integer     NOT NULL,
    reasoning_tokens integer     NOT NULL,
    total_tokens     integer     NOT NULL,
    cost_usd         numeric,
    cache            text        NOT NULL,
    attempt          integer     NOT NULL,
    parent_run_id    uuid,
    schedule_id      uuid,
    metadata         jsonb       NOT NULL,
    output_schema    jsonb,
    limits           jsonb,
    created_by       uuid,
    lease_expires_at timestamptz,
    fence            bigint      NOT NULL DEFAULT 1,
    created_at       timestamptz NOT NULL,
    started_at       timestamptz,
    finished_at      timestamptz,
    duration_ms      integer,
    PRIMARY KEY (tenant_id, id)
  )`

/** Reads the run from JSON in the API's own shape, so that every peer answers with the very values that we do. */
const INSERT_RUN = `
  INSERT INTO runs (id, tenant_id, agent, agent_version, project, status, task, output, error, model,
    input_tokens, cached_input_tokens, output_tokens, reasoning_tokens, total_tokens, cost_usd, cache, attempt,
    parent_run_id, schedule_id, metadata, created_at, started_at, finished_at, duration_ms)
  SELECT run.id, $1, run.agent, run."agentVersion", run.project, run.status, run.task, run.output, run.error, run.model,
    usage."inputTokens", usage."cachedInputTokens", usage."outputTokens", usage."reasoningTokens", usage."totalTokens",
    run."costUsd", run.cache, run.attempt, run."parentRunId", run."scheduleId", run.metadata,
    run."createdAt", run."startedAt", run."finishedAt", run."durationMs"
  FROM jsonb_to_record($2) AS run (id uuid, agent text, "agentVersion" integer, project text, status text, task text,
    output jsonb, error jsonb, model text, usage jsonb, "costUsd" numeric, cache text, attempt integer,
    "parentRunId" uuid, "scheduleId" uuid, metadata jsonb, "createdAt" timestamptz, "startedAt" timestamptz,
    "finishedAt" timestamptz, "durationMs" integer),
  jsonb_to_record(run.usage) AS usage ("inputTokens" integer, "cachedInputTokens" integer, "outputTokens" integer,
    "reasoningTokens" integer, "totalTokens" integer)`

/** Makes the peers' table and fills it with runs that our API returned. */
export async function createPeerTable(databaseUrl: string, tenantId: string, runs: readonly Run[]): Promise<void> {
  await withClient(databaseUrl, async (client) => {
    await client.query(CREATE_TABLE)
    for (const run of runs) await client.query(INSERT_RUN, [tenantId, JSON.stringify(run)])
    await client.query('VACUUM ANALYZE runs')
  })
}
