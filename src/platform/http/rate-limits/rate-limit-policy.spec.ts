import { describe, expect, it } from '@jest/globals'
import { AppConfig } from '../../config/app-config.js'
import type { AuthenticatedRequest, Principal, Role } from '../principal.js'
import { RateLimitPolicy } from './rate-limit-policy.js'
import type { RouteLimit } from './route-limit.js'

const USER_ID = '0190f3b4-0000-7000-8000-000000000001'
const KEY_ID = '0190f3b4-0000-7000-8000-000000000002'
const policy = new RateLimitPolicy(AppConfig.parse({ JWT_SECRET: 'a secret of more than thirty-two characters' }))

function principalOf(overrides: Partial<Principal> = {}): Principal {
  const session = { tenantId: 'tenant', userId: USER_ID, sessionId: 'session', apiKeyId: null }
  return { ...session, role: 'member', permissions: new Set(), rateLimitPerMinute: null, ...overrides }
}

function chargesOf(principal?: Principal, route?: RouteLimit, slug = 'developer') {
  const request = { ip: '192.0.2.1', params: { slug }, principal } as unknown as AuthenticatedRequest
  return policy.chargesFor(request, route).map(({ limit, key }) => ({ policy: limit.policy, key }))
}

describe('RateLimitPolicy', () => {
  it.each([
    ['viewer', 'authenticated', 300],
    ['member', 'authenticated', 300],
    ['admin', 'admin', 1000],
    ['owner', 'admin', 1000],
  ] as const)('counts a %s in the tier %s, by user', (role: Role, name, quota) => {
    expect(chargesOf(principalOf({ role }))).toEqual([
      { policy: `"${name}";q=${quota};w=60`, key: `${name}:${USER_ID}` },
    ])
  })

  it.each([
    ['member', 'authenticated', 300],
    ['owner', 'admin', 1000],
  ] as const)(
    'counts an API key without a limit of its own in the tier of its %s, apart from him',
    (role, name, quota) => {
      const key = principalOf({ role, apiKeyId: KEY_ID, sessionId: null })
      expect(chargesOf(key)).toEqual([{ policy: `"${name}";q=${quota};w=60`, key: `${name}:${KEY_ID}` }])
    },
  )

  it('counts an API key against its own limit in place of its tier', () => {
    const key = principalOf({ role: 'owner', apiKeyId: KEY_ID, sessionId: null, rateLimitPerMinute: 7 })
    expect(chargesOf(key)).toEqual([{ policy: '"api-key";q=7;w=60', key: `api-key:${KEY_ID}` }])
  })

  it('counts runs by principal and agent beside the tier', () => {
    const runOf = (principal: Principal, slug: string) => chargesOf(principal, 'agent-run', slug)[1]
    const key = principalOf({ apiKeyId: KEY_ID })
    expect(runOf(principalOf(), 'overseer')).toEqual({
      policy: '"agent-run";q=20;w=60',
      key: `agent-run:${USER_ID}:overseer`,
    })
    expect(runOf(key, 'overseer')?.key).toBe(`agent-run:${KEY_ID}:overseer`)
    const quotas = ['qa-tester', 'developer', 'devops', 'designer', 'security-auditor', 'ux-researcher', 'ours'].map(
      (slug) => runOf(principalOf(), slug)?.policy,
    )
    expect(quotas).toEqual([15, 30, 30, 30, 30, 30, 30].map((quota) => `"agent-run";q=${quota};w=60`))
  })

  it('counts by address what nobody has signed for', () => {
    const anonymous = { policy: '"anonymous";q=60;w=60', key: 'anonymous:192.0.2.1' }
    expect(chargesOf()).toEqual([anonymous])
    expect(chargesOf(undefined, 'agent-run')).toEqual([anonymous])
    expect(chargesOf(undefined, 'password-reset')).toEqual([
      anonymous,
      { policy: '"password-reset";q=10;w=3600', key: 'password-reset:192.0.2.1' },
    ])
  })

  it.each([
    ['health', 100],
    ['csp-reports', 30],
  ] as const)('lets %s have nothing but its own limit', (route, quota) => {
    expect(chargesOf(undefined, route)).toEqual([{ policy: `"${route}";q=${quota};w=60`, key: `${route}:192.0.2.1` }])
  })
})
