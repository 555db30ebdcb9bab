import type { RunEntity } from '../run.entity.js'
import type { ClaimedRun } from './claimed-run.js'
import type { EventRow } from './journal.repository.js'
import type { ModelStep, Telling } from './journal.js'
import { stepStarted } from './step-tellings.js'
import type { WorkItem } from './run-worker.service.js'

/** A run that a replica works on from the moment of its creation. */
export interface OpenedRun {
  readonly run: RunEntity
  readonly steps: readonly ModelStep[]
  readonly events: readonly EventRow[]
}

const MS_PER_SECOND = 1000

/** The run as it is written down when it need not wait for a worker: claimed, and its first model call begun. */
export function openRun(planned: RunEntity, beginsWithModel: boolean, timeoutSeconds: number): OpenedRun {
  const { createdAt, model, agent, agentVersion } = planned
  const limitSeconds = Math.min(planned.input.limits?.timeoutSeconds ?? Infinity, timeoutSeconds)
  const step: ModelStep = {
    kind: 'model',
    position: 1,
    status: 'running',
    name: model,
    request: {},
    result: null,
    attempt: 1,
    startedAt: createdAt,
  }
  const steps = beginsWithModel ? [step] : []
  const tellings: Telling[] = [{ type: 'run.started', data: { agent, agentVersion, model } }, ...steps.map(stepStarted)]
  const events = tellings.map(({ type, data }, index) => ({ type, data, sequence: index + 1, createdAt }))
  const run: RunEntity = Object.assign({}, planned, {
    status: 'running' as const,
    queuedSince: null,
    attempt: 1,
    fencingNumber: '1',
    startedAt: createdAt,
    deadlineAt: new Date(createdAt.getTime() + limitSeconds * MS_PER_SECOND),
    lastEvent: events.length,
    steps: steps.length,
  })
  return { run, steps, events }
}

/** What the worker needs of it. */
export function toWorkItem({ run, steps }: OpenedRun): WorkItem {
  const { startedAt, deadlineAt } = run
  if (!startedAt || !deadlineAt) throw new Error('a run that is not open')
  const { inputTokens, cachedInputTokens, outputTokens, reasoningTokens, costUsd } = run
  const claimed: ClaimedRun = {
    tenantId: run.tenantId,
    runId: run.id,
    fencingNumber: run.fencingNumber,
    projectId: run.projectId,
    agent: run.agent,
    agentVersion: run.agentVersion,
    task: run.task,
    context: run.context,
    model: run.model,
    input: run.input,
    cache: run.cache,
    userId: run.userId,
    apiKeyId: run.apiKeyId,
    parentRunId: run.parentRunId,
    scheduleId: run.scheduleId,
    rootRunId: run.rootRunId,
    depth: run.depth,
    attempt: run.attempt,
    startedAt,
    deadlineAt,
    lastEvent: run.lastEvent,
    totals: { steps: run.steps, inputTokens, cachedInputTokens, outputTokens, reasoningTokens, costUsd },
    isCancelled: false,
    wasLost: false,
    isStart: true,
  }
  return { run: claimed, steps, begun: steps.map(({ position }) => position) }
}
