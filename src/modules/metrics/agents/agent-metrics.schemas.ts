import { z } from 'zod'
import { momentSchema } from '#platform/time/moment.schemas.js'

const timestamp = z.iso.datetime({ precision: 3 })
const usd = z.string().describe('Decimal string: all that has a price.')
const unpriced = z.int().describe('Calls of models that have no price: not part of `costUsd`.')
const durationMs = z.int().nullable()

export const agentMetricsQuerySchema = z.strictObject({
  from: momentSchema.optional().describe('Seven days before `to`, where it is left out.'),
  to: momentSchema.optional().describe('Now, where it is left out.'),
})
export type AgentMetricsQuery = z.infer<typeof agentMetricsQuerySchema>

const modelUseSchema = z.strictObject({
  model: z.string(),
  executions: z.int().describe('Calls of the model.'),
  costUsd: usd,
  unpriced,
  inputTokens: z.int(),
  outputTokens: z.int(),
})

const agentFiguresSchema = z.strictObject({
  agent: z.string(),
  runs: z.int(),
  completed: z.int(),
  failed: z.int(),
  cancelled: z.int(),
  successRate: z.number().nullable().describe('0 to 1: completed, of those that completed or failed; null: none did.'),
  avgDurationMs: durationMs.describe('Of runs that have ended; null: none has.'),
  p50DurationMs: durationMs.describe('Of the same, interpolated between the two runs around it.'),
  p95DurationMs: durationMs,
  costUsd: usd,
  unpriced,
  models: z.array(modelUseSchema).describe('The most called first.'),
  cache: z.strictObject({
    hits: z.int().describe('Calls that a kept answer stood in for.'),
    savedUsd: z.string().describe('Decimal string: what those calls would have cost.'),
  }),
})

export const agentMetricsSchema = z
  .strictObject({
    from: timestamp,
    to: timestamp,
    data: z.array(agentFiguresSchema).describe('Agents with runs or costs in that time, the most used first.'),
  })
  .meta({ id: 'AgentMetrics' })
export type AgentMetrics = z.infer<typeof agentMetricsSchema>
export type AgentFigures = AgentMetrics['data'][number]
export type ModelUse = AgentFigures['models'][number]
