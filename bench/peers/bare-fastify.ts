/**
 * The floor under any Node server: Fastify, one route, the single-row query, no auth, no tenancy, no logging.
 * `node bare-fastify.ts <database URL> <tenant id>` prints `{"baseUrl":…}` once it serves `GET /v1/runs/:id`.
 */
import Fastify from 'fastify'
import { Pool } from 'pg'

const [databaseUrl, tenantId] = process.argv.slice(2)
if (databaseUrl === undefined || tenantId === undefined) throw new Error('usage: bare-fastify.ts <URL> <tenant id>')

interface RunRow {
  id: string
  agent: string
  agent_version: number
  project: string | null
  status: string
  task: string
  output: unknown
  error: unknown
  model: string | null
  input_tokens: number
  cached_input_tokens: number
  output_tokens: number
  reasoning_tokens: number
  total_tokens: number
  cost_usd: string | null
  cache: string
  attempt: number
  parent_run_id: string | null
  schedule_id: string | null
  metadata: unknown
  created_at: Date
  started_at: Date | null
  finished_at: Date | null
  duration_ms: number | null
}

const FIND_RUN = `
  SELECT id, agent, agent_version, project, status, task, output, error, model, input_tokens, cached_input_tokens,
    output_tokens, reasoning_tokens, total_tokens, cost_usd, cache, attempt, parent_run_id, schedule_id, metadata,
    created_at, started_at, finished_at, duration_ms
  FROM runs WHERE tenant_id = $1 AND id = $2`

const pool = new Pool({ connectionString: databaseUrl, max: 10 })
const app = Fastify()

app.get<{ Params: { id: string } }>('/v1/runs/:id', async (request, reply) => {
  const { rows } = await pool.query<RunRow>(FIND_RUN, [tenantId, request.params.id])
  const row = rows[0]
  if (row === undefined) return reply.code(404).send({ code: 'not_found' })
  return {
    id: row.id,
    agent: row.agent,
    agentVersion: row.agent_version,
    project: row.project,
    status: row.status,
    task: row.task,
    output: row.output,
    error: row.error,
    model: row.model,
    usage: {
      inputTokens: row.input_tokens,
      cachedInputTokens: row.cached_input_tokens,
      outputTokens: row.output_tokens,
      reasoningTokens: row.reasoning_tokens,
      totalTokens: row.total_tokens,
    },
    costUsd: row.cost_usd,
    cache: row.cache,
    attempt: row.attempt,
    parentRunId: row.parent_run_id,
    scheduleId: row.schedule_id,
    metadata: row.metadata,
    createdAt: row.created_at,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
    durationMs: row.duration_ms,
  }
})

const baseUrl = await app.listen({ host: '127.0.0.1', port: 0 })
console.log(JSON.stringify({ baseUrl }))
