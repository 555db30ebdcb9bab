import { describe, expect, it } from '@jest/globals'
import type { RunEntity } from '../run.entity.js'
import { openRun, toWorkItem } from './run-opening.js'

const CREATED_AT = new Date('2026-01-01T00:00:00.000Z')
const SERVER_TIMEOUT_SECONDS = 900
const PLANNED: RunEntity = {
  tenantId: 't',
  id: 'r',
  projectId: 'p',
  agent: 'developer',
  agentVersion: 3,
  status: 'pending',
  task: 'x',
  context: 'y',
  model: 'openai/gpt-4o-mini',
  input: { cache: 'off' },
  output: null,
  errorCode: null,
  errorDetail: null,
  inputTokens: 0,
  cachedInputTokens: 0,
  outputTokens: 0,
  reasoningTokens: 0,
  costUsd: '0',
  cache: 'off',
  attempt: 0,
  parentRunId: null,
  rootRunId: 'r',
  depth: 0,
  scheduleId: null,
  userId: 'u',
  apiKeyId: null,
  metadata: {},
  createdAt: CREATED_AT,
  startedAt: null,
  finishedAt: null,
  queuedSince: CREATED_AT,
  deadlineAt: null,
  waitingSince: null,
  timeGivenUntil: null,
  cancelRequestedAt: null,
  lastEvent: 0,
  steps: 0,
  fencingNumber: '0',
  leaseExpiresAt: null,
}

describe('a run that is worked on from its creation', () => {
  it('is out of the queue, held under its first number, and its first model call has begun', () => {
    const { run, steps, events } = openRun(PLANNED, true, SERVER_TIMEOUT_SECONDS)
    expect(run).toMatchObject({
      status: 'running',
      queuedSince: null,
      attempt: 1,
      fencingNumber: '1',
      startedAt: CREATED_AT,
      lastEvent: 2,
      steps: 1,
    })
    expect(steps).toMatchObject([{ kind: 'model', position: 1, status: 'running', name: PLANNED.model, attempt: 1 }])
    expect(events.map(({ sequence, type }) => `${sequence} ${type}`)).toEqual(['1 run.started', '2 step.started'])
  })

  it('has begun no model call where a person or a tool comes first', () => {
    const { run, steps, events } = openRun(PLANNED, false, SERVER_TIMEOUT_SECONDS)
    expect(run).toMatchObject({ lastEvent: 1, steps: 0 })
    expect(steps).toEqual([])
    expect(events.map(({ type }) => type)).toEqual(['run.started'])
  })

  it.each([
    [undefined, 900],
    [60, 60],
    [5000, 900],
  ])("ends after the stricter of its own limit (%s s) and the server's", (timeoutSeconds, seconds) => {
    const input = timeoutSeconds === undefined ? {} : { limits: { timeoutSeconds } }
    const { run } = openRun(Object.assign({}, PLANNED, { input }), true, SERVER_TIMEOUT_SECONDS)
    expect(run.deadlineAt).toEqual(new Date(CREATED_AT.getTime() + seconds * 1000))
  })

  it('is to its worker what a claim from the queue would be, with the steps that are begun', () => {
    const { run, steps, begun } = toWorkItem(openRun(PLANNED, true, SERVER_TIMEOUT_SECONDS))
    expect(run).toMatchObject({
      tenantId: 't',
      runId: 'r',
      fencingNumber: '1',
      task: 'x',
      context: 'y',
      userId: 'u',
      projectId: 'p',
      lastEvent: 2,
      totals: { steps: 1, outputTokens: 0, costUsd: '0' },
      isCancelled: false,
      wasLost: false,
    })
    expect(steps).toHaveLength(1)
    expect(begun).toEqual([1])
  })
})
