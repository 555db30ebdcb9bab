import { describe, expect, it } from '@jest/globals'
import type { Principal } from '../principal.js'
import { type CacheableRequest, cacheKeyOf } from './cache-key.js'
import type { CacheRule } from './cache-rule.js'

const REQUEST: CacheableRequest = { route: '/v1/agents', params: {}, query: { limit: '3', cursor: 'x' } }
const PRINCIPAL: Principal = {
  tenantId: 'tenant',
  userId: 'user',
  sessionId: 'session',
  apiKeyId: null,
  role: 'member',
  permissions: new Set(['agents:read', 'runs:read']),
  rateLimitPerMinute: null,
}
const RULE: CacheRule = { kind: 'catalogue', tags: ['agents'], sharedBy: 'permissions' }

function keyOf(
  changes: {
    request?: Partial<CacheableRequest>
    principal?: Partial<Principal>
    rule?: Partial<CacheRule>
    epochs?: string
  } = {},
): string {
  return cacheKeyOf(
    { ...REQUEST, ...changes.request },
    {
      principal: { ...PRINCIPAL, ...changes.principal },
      rule: { ...RULE, ...changes.rule },
      epochs: changes.epochs ?? 'a,b',
    },
  )
}

describe('the key of a cached answer', () => {
  it('does not see the order of query parameters or of permissions', () => {
    expect(keyOf({ request: { query: { cursor: 'x', limit: '3' } } })).toBe(keyOf())
    expect(keyOf({ principal: { permissions: new Set(['runs:read', 'agents:read']) } })).toBe(keyOf())
  })

  it('is the same for all who may do the same', () => {
    expect(keyOf({ principal: { userId: 'other', sessionId: 'other' } })).toBe(keyOf())
  })

  it.each<[string, Parameters<typeof keyOf>[0]]>([
    ['tenant', { principal: { tenantId: 'other' } }],
    ['role', { principal: { role: 'owner' } }],
    ['set of permissions', { principal: { permissions: new Set(['agents:read']) } }],
    ['route', { request: { route: '/v1/members' } }],
    ['path', { request: { params: { slug: 'developer' } } }],
    ['query', { request: { query: { limit: '4', cursor: 'x' } } }],
    ['number of values', { request: { query: { limit: ['3', '3'], cursor: 'x' } } }],
    ['epoch', { epochs: 'a,c' }],
  ])('differs for another %s', (_what, changes) => {
    expect(keyOf(changes)).not.toBe(keyOf())
  })

  it("is a person's or an API key's own where the answer depends on who asks", () => {
    const rule = { sharedBy: 'principal' } as const
    const keys = [
      keyOf({ rule }),
      keyOf({ rule, principal: { userId: 'other' } }),
      keyOf({ rule, principal: { sessionId: null, apiKeyId: 'key' } }),
    ]
    expect(new Set(keys).size).toBe(3)
    expect(keyOf({ rule, principal: { sessionId: 'other' } })).toBe(keys[0])
  })
})
