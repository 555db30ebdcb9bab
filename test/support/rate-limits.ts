import { expect } from '@jest/globals'
import type { LightMyRequestResponse } from 'fastify'
import { expectProblem } from './problem.js'

const MINUTE_SECONDS = 60

interface ExpectedLimit {
  readonly name: string
  readonly quota: number
  readonly windowSeconds?: number
  readonly remaining: number
}

/** Asserts that an answer tells of these limits, in this order, and of no other, in both forms of the headers. */
export function expectLimits({ headers }: LightMyRequestResponse, ...limits: readonly ExpectedLimit[]): void {
  const windowOf = ({ windowSeconds = MINUTE_SECONDS }: ExpectedLimit): number => windowSeconds
  expect(headers['ratelimit-policy']).toBe(
    limits.map((limit) => `"${limit.name}";q=${limit.quota};w=${windowOf(limit)}`).join(', '),
  )
  const standings = String(headers['ratelimit'])
    .split(', ')
    .map((standing) => /^"([a-z-]+)";r=(\d+);t=(\d+)$/.exec(standing) ?? [standing])
  expect(standings.map(([, name, remaining]) => ({ name, remaining }))).toEqual(
    limits.map(({ name, remaining }) => ({ name, remaining: `${remaining}` })),
  )
  for (const [index, limit] of limits.entries()) {
    expect(Number(standings[index]?.[3])).toBeGreaterThan(0)
    expect(Number(standings[index]?.[3])).toBeLessThanOrEqual(windowOf(limit))
  }
  const fewest = Math.min(...limits.map(({ remaining }) => remaining))
  const tightest = limits.findIndex(({ remaining }) => remaining === fewest)
  expect({
    limit: headers['x-ratelimit-limit'],
    remaining: headers['x-ratelimit-remaining'],
    reset: headers['x-ratelimit-reset'],
  }).toEqual({ limit: `${limits[tightest]?.quota}`, remaining: `${fewest}`, reset: standings[tightest]?.[3] })
}

/** Asserts that an answer is a 429 that says when to come back. */
export function expectTooMany(response: LightMyRequestResponse, instance: string): void {
  expectProblem(response, { status: 429, code: 'rate_limited', instance })
  expect(response.headers['retry-after']).toBe(response.headers['x-ratelimit-reset'])
  expect(Number(response.headers['retry-after'])).toBeGreaterThan(0)
  expect(response.headers['x-ratelimit-remaining']).toBe('0')
}

/** Asserts that an answer says nothing of limits. */
export function expectUnlimited({ headers }: LightMyRequestResponse): void {
  expect(Object.keys(headers).filter((name) => /ratelimit|retry-after/.test(name))).toEqual([])
}
