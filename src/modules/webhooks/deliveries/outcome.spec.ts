import { describe, expect, it } from '@jest/globals'
import type { Attempt, ClaimedDelivery } from './attempt.js'
import { toOutcome } from './outcome.js'

const SECOND = 1000
const policy = { retrySeconds: [5, 300], maxRetryAfterSeconds: 600 }
const MIDDLE = 0.5

const delivery = (overrides: Partial<ClaimedDelivery>): ClaimedDelivery => ({
  tenantId: 't',
  id: 'd',
  webhookId: 'w',
  claimNumber: '1',
  messageId: 'msg_1',
  eventType: 'run.completed',
  body: '{}',
  attempts: 0,
  retryStep: 0,
  isEarly: false,
  dueAt: new Date(),
  createdAt: new Date(),
  ...overrides,
})
const attempt = (status: number | null, headers: Record<string, string> = {}): Attempt => ({
  url: 'https://hooks.example.com',
  startedAt: new Date(),
  durationMs: 1,
  status,
  headers,
  body: '',
  error: status !== null && status >= 200 && status < 300 ? null : 'It did not succeed.',
})
const outcome = (of: Partial<ClaimedDelivery>, status: number | null, headers?: Record<string, string>) =>
  toOutcome(delivery(of), attempt(status, headers), policy, MIDDLE)

describe('toOutcome', () => {
  it.each([200, 204, 299])('takes %i for delivered', (status) => {
    expect(outcome({ retryStep: 1 }, status)).toMatchObject({ status: 'delivered', delayMs: null, retryStep: 1 })
  })

  it.each([null, 199, 300, 302, 404, 500])('takes %p for a failure, by the schedule', (status) => {
    expect(outcome({}, status)).toMatchObject({ status: 'retrying', delayMs: 5 * SECOND, retryStep: 1 })
    expect(outcome({ retryStep: 1 }, status)).toMatchObject({ status: 'retrying', delayMs: 300 * SECOND, retryStep: 2 })
    expect(outcome({ retryStep: 2 }, status)).toMatchObject({ status: 'exhausted', delayMs: null })
  })

  it('takes a 2xx whose body broke for a failure', () => {
    const broken = { ...attempt(200), body: null, error: 'The request failed (UND_ERR_SOCKET).' }
    expect(toOutcome(delivery({}), broken, policy, MIDDLE)).toMatchObject({ status: 'retrying' })
  })

  it('takes 410 for the end', () => {
    expect(outcome({}, 410)).toMatchObject({ status: 'exhausted', delayMs: null })
  })

  it('goes no further in the schedule for an attempt that came early', () => {
    const early = outcome({ retryStep: 2, attempts: 20, isEarly: true }, 500)
    expect(early).toMatchObject({ status: 'retrying', delayMs: 300 * SECOND, retryStep: 2 })
  })

  it.each([429, 503])('hears what %i asks for its endpoint, within the limit', (status) => {
    expect(outcome({}, status, { 'retry-after': '60' })).toMatchObject({ delayMs: 60 * SECOND, pauseMs: 60 * SECOND })
    expect(outcome({}, status, { 'retry-after': '86400' })).toMatchObject({ pauseMs: 600 * SECOND })
    expect(outcome({}, status)).toMatchObject({ pauseMs: null })
  })

  it('hears what another status asks for the delivery alone', () => {
    expect(outcome({}, 500, { 'retry-after': '60' })).toMatchObject({ delayMs: 60 * SECOND, pauseMs: null })
  })
})
