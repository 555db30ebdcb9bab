import type { AgentDefinition } from '#modules/agents'
import type { RunEntity } from '../run.entity.js'
import type { ClaimedRun } from './claimed-run.js'
import { mergeLimits } from './merge-limits.js'
import type { RunLimitValues } from './run-limits.service.js'

export interface Delegated {
  readonly id: string
  readonly run: ClaimedRun
  readonly agent: AgentDefinition
  readonly chain: readonly string[]
  readonly task: string
  /** Its share of what the parent may use. */
  readonly limits: RunLimitValues
  readonly rootCreatedAt: Date
  readonly now: Date
}

/** The run that a delegation becomes: it is paid for, and answered for, by whoever started the tree. */
export function newChild({ id, run, agent, chain, task, limits, rootCreatedAt, now }: Delegated): RunEntity {
  const [model = run.model, ...fallbackModels] = chain
  const { cache } = run.input
  return {
    tenantId: run.tenantId,
    id,
    projectId: run.projectId,
    agent: agent.slug,
    agentVersion: agent.version,
    status: 'pending',
    task,
    context: null,
    model,
    input: {
      limits: mergeLimits(limits, agent.limits),
      fallbackModels,
      ...(cache && { cache }),
      ...(agent.requireApproval && { startApproval: 'agent' as const }),
    },
    output: null,
    errorCode: null,
    errorDetail: null,
    inputTokens: 0,
    cachedInputTokens: 0,
    outputTokens: 0,
    reasoningTokens: 0,
    costUsd: '0',
    cache: cache === undefined || cache === 'off' ? 'off' : 'miss',
    attempt: 0,
    parentRunId: run.runId,
    rootRunId: run.rootRunId,
    depth: run.depth + 1,
    scheduleId: null,
    userId: run.userId,
    apiKeyId: run.apiKeyId,
    metadata: {},
    createdAt: now,
    startedAt: null,
    finishedAt: null,
    // In the root's place: what it delegates does not queue up behind all that came after it.
    queuedSince: rootCreatedAt,
    deadlineAt: run.deadlineAt,
    waitingSince: null,
    timeGivenUntil: null,
    cancelRequestedAt: null,
    lastEvent: 0,
    steps: 0,
    fencingNumber: '0',
    leaseExpiresAt: null,
  }
}
