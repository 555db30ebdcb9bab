import { describe, expect, it } from '@jest/globals'
import { hashRequest, type HashedRequest } from './request-hash.js'

const REQUEST: HashedRequest = {
  principalId: 'a',
  method: 'POST',
  route: '/v1/agents/:slug/run',
  params: { slug: 'developer' },
  query: {},
  body: { task: 'Do it.', limits: { maxTokens: 10, maxSteps: 2 } },
}

const hashOf = (changes: Partial<HashedRequest> = {}): string => hashRequest({ ...REQUEST, ...changes }).toString('hex')

describe('hashRequest', () => {
  it('does not see the order of keys', () => {
    expect(hashOf({ body: { limits: { maxSteps: 2, maxTokens: 10 }, task: 'Do it.' } })).toBe(hashOf())
  })

  it.each<[string, Partial<HashedRequest>]>([
    ['principal', { principalId: 'b' }],
    ['method', { method: 'PUT' }],
    ['route', { route: '/v1/runs' }],
    ['path', { params: { slug: 'designer' } }],
    ['query', { query: { dryRun: 'true' } }],
    ['body', { body: { task: 'Do it!', limits: { maxTokens: 10, maxSteps: 2 } } }],
  ])('sees another %s', (_what, changes) => {
    expect(hashOf(changes)).not.toBe(hashOf())
  })

  it.each<[unknown, unknown]>([
    [undefined, null],
    [null, 'null'],
    [1, '1'],
    [
      [1, 2],
      [2, 1],
    ],
    [[[1], 2], [[1, 2]]],
    [[], {}],
    [
      { a: 1, b: 2 },
      { a: 2, b: 1 },
    ],
    [{ a: { b: 1 } }, { a: 1, b: {} }],
    [['a', 1], { a: 1 }],
    [{ a: undefined }, {}],
  ])('tells %j from %j', (one, other) => {
    expect(hashOf({ body: one })).not.toBe(hashOf({ body: other }))
  })

  it('takes a body that is nested deeper than any stack', () => {
    const nested = JSON.parse(`${'['.repeat(100_000)}${']'.repeat(100_000)}`)
    expect(hashOf({ body: nested })).toHaveLength(64)
  })
})
