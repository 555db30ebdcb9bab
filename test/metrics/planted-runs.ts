import { constant, double, integer, oneof, option, record, sample } from 'fast-check'
import { Usd } from '#kernel/usd.js'
import { newId } from '#kernel/ids.js'
import type { TestApp } from '../support/test-app.js'

export const HOUR_MS = 3_600_000
export const DAY_MS = 24 * HOUR_MS
const MODELS = ['openai/gpt-5-mini', 'anthropic/claude-sonnet-4-5', 'ollama/llama3.2']
const AGENTS = ['developer', 'devops', 'overseer', 'qa-tester']
const ENDED = ['completed', 'failed', 'cancelled']
const STATUSES = [...ENDED, ...ENDED, 'pending', 'running', 'waiting_approval']

export interface PlantedEntry {
  readonly createdAt: Date
  readonly agent: string
  readonly model: string
  readonly costUsd: string | null
  readonly inputTokens: number
  readonly outputTokens: number
}

export interface PlantedRun {
  readonly id: string
  readonly agent: string
  readonly status: string
  readonly cache: string
  readonly createdAt: Date
  readonly startedAt: Date | null
  readonly finishedAt: Date | null
  /** The one call that it has made of a model. */
  readonly entry: PlantedEntry | null
}

/** Runs at random, the same ones for the same seed, of the time before `until`. */
export function randomRuns({
  count,
  seed,
  until,
  withinMs,
}: {
  count: number
  seed: number
  until: Date
  withinMs: number
}): PlantedRun[] {
  const anyOf = <T>(values: readonly T[]) => oneof(...values.map((value) => constant(value)))
  const facts = record({
    agent: anyOf(AGENTS),
    status: anyOf(STATUSES),
    cache: anyOf(['off', 'miss', 'hit']),
    model: anyOf(MODELS),
    agoMs: integer({ min: 1, max: withinMs }),
    waitedMs: integer({ min: 0, max: 5000 }),
    workedMs: option(integer({ min: 1, max: 600_000 }), { freq: 8 }),
    cost: option(double({ min: 0, max: 1, noNaN: true }), { freq: 8 }),
    inputTokens: integer({ min: 0, max: 100_000 }),
    outputTokens: integer({ min: 0, max: 10_000 }),
    hasEntry: anyOf([true, true, true, false]),
  })
  return sample(facts, { numRuns: count, seed }).map((fact) => {
    const createdAt = new Date(until.getTime() - fact.agoMs)
    const isEnded = ENDED.includes(fact.status)
    // Who was cancelled before his turn has never begun.
    const startedAt = isEnded && fact.workedMs !== null ? new Date(createdAt.getTime() + fact.waitedMs) : null
    const finishedAt = isEnded ? new Date(createdAt.getTime() + fact.waitedMs + (fact.workedMs ?? 0)) : null
    const { agent, status, cache, model, inputTokens, outputTokens } = fact
    const costUsd = fact.cost === null ? null : Usd.parse(fact.cost.toFixed(12)).toString()
    const entry = { createdAt: finishedAt ?? createdAt, agent, model, costUsd, inputTokens, outputTokens }
    return { id: newId(), agent, status, cache, createdAt, startedAt, finishedAt, entry: fact.hasEntry ? entry : null }
  })
}

/** As the app leaves them, but for a place in the queue and a lease: nobody takes them up. Entries come to the tail by the trigger. */
export async function plantRuns(app: TestApp, tenantId: string, runs: readonly PlantedRun[]): Promise<void> {
  await app.sql(
    `WITH planted AS (SELECT * FROM jsonb_to_recordset($2) AS r (id uuid, agent text, status text, cache text, "createdAt" timestamptz,
                        "startedAt" timestamptz, "finishedAt" timestamptz, entry jsonb)),
          made AS (
            INSERT INTO runs (tenant_id, id, root_run_id, agent, agent_version, status, task, model, input, cache, created_at, started_at, finished_at)
            SELECT $1, id, id, agent, 1, status, 'x', 'x', '{}', cache, "createdAt", "startedAt", "finishedAt" FROM planted)
     INSERT INTO cost_tracking (tenant_id, id, run_id, agent, model, input_tokens, cached_input_tokens, output_tokens, reasoning_tokens,
       cost_usd, created_at)
     SELECT $1, id, id, agent, entry->>'model', (entry->>'inputTokens')::bigint, 0, (entry->>'outputTokens')::bigint, 0,
            (entry->>'costUsd')::numeric, (entry->>'createdAt')::timestamptz
       FROM planted WHERE entry <> 'null'`,
    [tenantId, JSON.stringify(runs)],
  )
}

/** What kept answers have saved, as it comes to the tail. */
export async function plantSaving(
  app: TestApp,
  tenantId: string,
  saving: { agent: string; model: string; at: Date; hits: number; savedUsd: string },
): Promise<void> {
  const { agent, model, at, hits, savedUsd } = saving
  await app.sql(
    `INSERT INTO cost_tail (tenant_id, id, created_at, agent, model, cache_hits, saved_usd) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
    [tenantId, newId(), at, agent, model, hits, savedUsd],
  )
}

/** Moves what was booked before `until` from the tail into the sums. */
export async function sumUp(app: TestApp, tenantId: string, until: Date): Promise<void> {
  const sums = [
    'executions',
    'unpriced',
    'input_tokens',
    'cached_input_tokens',
    'cache_write_tokens',
    'output_tokens',
    'reasoning_tokens',
    'cost_usd',
    'cache_hits',
    'saved_usd',
  ]
  await app.sql(
    `WITH gone AS (DELETE FROM cost_tail WHERE tenant_id = $1 AND created_at < $2 RETURNING *)
     INSERT INTO cost_hourly (tenant_id, hour, agent, model, ${sums.join()})
     SELECT tenant_id, date_trunc('hour', created_at, 'UTC'), agent, model, ${sums.map((sum) => `sum(${sum})`).join()}
       FROM gone GROUP BY 1, 2, 3, 4
         ON CONFLICT (tenant_id, hour, agent, model) DO UPDATE SET ${sums.map((sum) => `${sum} = cost_hourly.${sum} + excluded.${sum}`).join()}`,
    [tenantId, until],
  )
}
