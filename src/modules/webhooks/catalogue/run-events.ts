import { z } from 'zod'
import { RunCancelled, RunCompleted, RunFailed, type RunFacts, type RunFinished, RunStarted } from '#modules/runs'
import { type PublicEvent, publicEvent } from './public-event.js'

const factsShape = {
  runId: z.uuid(),
  agent: z.string(),
  agentVersion: z.int(),
  model: z.string().meta({ description: 'provider/model' }),
  parentRunId: z.uuid().nullable().meta({ description: 'null: nobody delegated it' }),
  scheduleId: z.uuid().nullable().meta({ description: 'null: no schedule has started it' }),
}
const finishedShape = {
  ...factsShape,
  usage: z.strictObject({ inputTokens: z.int(), outputTokens: z.int() }),
  costUsd: z.string().nullable().meta({ description: 'decimal; null: unpriced' }),
  durationMs: z.int(),
}
const startedSchema = z.strictObject(factsShape)
const completedSchema = z.strictObject({ ...finishedShape, status: z.literal('completed') })
const failedSchema = z.strictObject({
  ...finishedShape,
  status: z.literal('failed'),
  error: z.strictObject({ code: z.string() }),
})
const cancelledSchema = z.strictObject({ ...finishedShape, status: z.literal('cancelled') })

const factsExample: RunFacts = {
  runId: '0199f1d6-6c1e-7d3a-9b55-0f6f2a1c7e10',
  agent: 'developer',
  agentVersion: 1,
  model: 'openai/gpt-5-mini',
  parentRunId: null,
  scheduleId: null,
}
const finishedExample = {
  ...factsExample,
  usage: { inputTokens: 812, outputTokens: 240 },
  costUsd: '0.000683',
  durationMs: 2140,
}

export const RUN_EVENTS: readonly PublicEvent[] = [
  publicEvent({
    type: 'run.started',
    description: 'A worker has taken a run up for the first time.',
    schema: startedSchema,
    example: factsExample,
    eventClass: RunStarted,
    select: ({ run }: RunStarted) => run,
  }),
  publicEvent({
    type: 'run.completed',
    description: 'A run has ended well; its output is at GET /v1/runs/{id}.',
    schema: completedSchema,
    example: { ...finishedExample, status: 'completed' },
    eventClass: RunCompleted,
    select: (event: RunCompleted) => ({ ...finishedFacts(event), status: 'completed' as const }),
  }),
  publicEvent({
    type: 'run.failed',
    description: 'A run has ended without a result.',
    schema: failedSchema,
    example: { ...finishedExample, status: 'failed', error: { code: 'run_timeout' } },
    eventClass: RunFailed,
    select: (event: RunFailed) => ({
      ...finishedFacts(event),
      status: 'failed' as const,
      error: { code: event.errorCode },
    }),
  }),
  publicEvent({
    type: 'run.cancelled',
    description: 'A run was stopped before its end.',
    schema: cancelledSchema,
    example: { ...finishedExample, status: 'cancelled' },
    eventClass: RunCancelled,
    select: (event: RunCancelled) => ({ ...finishedFacts(event), status: 'cancelled' as const }),
  }),
]

function finishedFacts({ outcome }: RunFinished) {
  const { runId, agent, agentVersion, model, parentRunId, scheduleId, inputTokens, outputTokens, costUsd, durationMs } =
    outcome
  const usage = { inputTokens, outputTokens }
  return { runId, agent, agentVersion, model, parentRunId, scheduleId, usage, costUsd, durationMs }
}
