import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { InjectOptions, LightMyRequestResponse } from 'fastify'
import { DEFAULT_LIMITS } from '../support/limit-settings.js'
import { createAgent } from '../support/own-agent.js'
import { expectLimits, expectTooMany } from '../support/rate-limits.js'
import { TestApp } from '../support/test-app.js'
import { PASSWORD, TestUser } from '../support/test-user.js'

const HOUR_SECONDS = 3600
const PARALLEL = 100

let app: TestApp
let lastAddress = 0

beforeAll(async () => {
  app = await TestApp.start({ env: DEFAULT_LIMITS })
})
afterAll(async () => app[Symbol.asyncDispose]())

/** An address that nothing has been counted for. */
function newAddress(): string {
  lastAddress += 1
  return `192.0.2.${lastAddress}`
}

function post(url: string, payload: object, remoteAddress: string): Promise<LightMyRequestResponse> {
  return app.inject({ method: 'POST', url, payload, remoteAddress })
}

async function repeat(times: number, request: () => Promise<LightMyRequestResponse>): Promise<number[]> {
  const statuses: number[] = []
  for (let index = 0; index < times; index += 1) statuses.push((await request()).statusCode)
  return statuses
}

describe('signing in', () => {
  const login = (remoteAddress: string) =>
    post('/v1/auth/login', { email: 'nobody@example.com', password: PASSWORD }, remoteAddress)

  it('can be tried 5 times a minute from an address, beside its other requests', async () => {
    const address = newAddress()
    const first = await login(address)
    expect(first.statusCode).toBe(401)
    expectLimits(first, { name: 'anonymous', quota: 60, remaining: 59 }, { name: 'login', quota: 5, remaining: 4 })
    expect(await repeat(4, () => login(address))).toEqual([401, 401, 401, 401])
    const refused = await login(address)
    expectTooMany(refused, '/v1/auth/login')
    expectLimits(refused, { name: 'anonymous', quota: 60, remaining: 54 }, { name: 'login', quota: 5, remaining: 0 })
    expect((await app.inject({ url: '/v1/agents', remoteAddress: address })).statusCode).toBe(401)
    expect((await login(newAddress())).statusCode).toBe(401)
  })

  it('lets exactly 5 of 100 through that come at once', async () => {
    const address = newAddress()
    const responses = await Promise.all(Array.from({ length: PARALLEL }, () => login(address)))
    const statuses = responses.map(({ statusCode }) => statusCode).sort((a, b) => a - b)
    expect(statuses).toEqual([...Array<number>(5).fill(401), ...Array<number>(PARALLEL - 5).fill(429)])
  })

  it('is counted before the body is judged', async () => {
    const address = newAddress()
    expect(await repeat(6, () => post('/v1/auth/login', { email: 7 }, address))).toEqual([400, 400, 400, 400, 400, 429])
  })

  it('takes no account of credentials that were sent along', async () => {
    const address = newAddress()
    const owner = await TestUser.register(app)
    const ask = (): Promise<LightMyRequestResponse> =>
      owner.request({ method: 'POST', url: '/v1/auth/login', payload: {}, remoteAddress: address })
    expect(await repeat(6, ask)).toEqual([400, 400, 400, 400, 400, 429])
  })
})

describe('registering', () => {
  const register = (remoteAddress: string) => {
    const email = `user-${randomBytes(6).toString('hex')}@example.com`
    return post('/v1/auth/register', { email, password: PASSWORD }, remoteAddress)
  }

  it('is open 3 times an hour to an address', async () => {
    const address = newAddress()
    const first = await register(address)
    expect(first.statusCode).toBe(201)
    const anonymous = { name: 'anonymous', quota: 60 }
    const limit = { name: 'register', quota: 3, windowSeconds: HOUR_SECONDS }
    expectLimits(first, { ...anonymous, remaining: 59 }, { ...limit, remaining: 2 })
    expect(await repeat(2, () => register(address))).toEqual([201, 201])
    const refused = await register(address)
    expectTooMany(refused, '/v1/auth/register')
    expectLimits(refused, { ...anonymous, remaining: 56 }, { ...limit, remaining: 0 })
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(HOUR_SECONDS / 2)
  })

  it('loses none of them to requests that the tier refuses', async () => {
    const address = newAddress()
    await repeat(60, () => app.inject({ url: '/v1/agents', remoteAddress: address }))
    const refused = await register(address)
    expectTooMany(refused, '/v1/auth/register')
    expectLimits(refused, { name: 'anonymous', quota: 60, remaining: 0 })
  })
})

describe('refreshing', () => {
  it('is open 10 times a minute to an address', async () => {
    const address = newAddress()
    const refresh = () => post('/v1/auth/refresh', { refreshToken: 'tnr_nothing' }, address)
    const first = await refresh()
    expectLimits(first, { name: 'anonymous', quota: 60, remaining: 59 }, { name: 'refresh', quota: 10, remaining: 9 })
    const statuses = await repeat(9, refresh)
    expect(new Set(statuses)).toEqual(new Set([first.statusCode]))
    expectTooMany(await refresh(), '/v1/auth/refresh')
  })
})

describe('/health', () => {
  it('is open 100 times a minute to an address, whatever else that has used up', async () => {
    const address = newAddress()
    const health = (options: InjectOptions = {}) => app.inject({ url: '/health', remoteAddress: address, ...options })
    await repeat(61, () => app.inject({ url: '/v1/agents', remoteAddress: address }))
    expectLimits(await health(), { name: 'health', quota: 100, remaining: 99 })
    expect(new Set(await repeat(99, () => health({ method: 'HEAD' })))).toEqual(new Set([200]))
    expectTooMany(await health(), '/health')
  })
})

describe('giving an agent tasks', () => {
  // A task that is refused by its schema is counted, and costs no run.
  const run = (user: TestUser, agent: string) =>
    user.request({ method: 'POST', url: `/v1/agents/${agent}/run`, payload: { task: '' } })
  const registered = () => TestUser.register(app, { remoteAddress: newAddress() })

  it.each([
    ['overseer', 20],
    ['qa-tester', 15],
    ['developer', 30],
    ['devops', 30],
  ])('is open to a principal for the %s %d times a minute', async (agent, quota) => {
    const user = await registered()
    const first = await run(user, agent)
    expect(first.statusCode).toBe(400)
    expectLimits(
      first,
      { name: 'admin', quota: 1000, remaining: 999 },
      { name: 'agent-run', quota, remaining: quota - 1 },
    )
    expect(new Set(await repeat(quota - 1, () => run(user, agent)))).toEqual(new Set([400]))
    expectTooMany(await run(user, agent), `/v1/agents/${agent}/run`)
    // Nor by another spelling; and it says nothing of other agents and other people.
    const spelled = `%${agent.charCodeAt(0).toString(16)}${agent.slice(1)}`
    expect((await run(user, spelled)).statusCode).toBe(429)
    expect((await run(user, 'designer')).statusCode).toBe(400)
    expect((await run(await registered(), agent)).statusCode).toBe(400)
  })

  it("is open for each of a tenant's own agents 30 times a minute", async () => {
    const user = await registered()
    for (const slug of ['mine', 'mine-too']) await createAgent(user, { slug })
    expectLimits(
      await run(user, 'mine'),
      { name: 'admin', quota: 1000, remaining: 997 },
      { name: 'agent-run', quota: 30, remaining: 29 },
    )
    expect(new Set(await repeat(29, () => run(user, 'mine')))).toEqual(new Set([400]))
    expectTooMany(await run(user, 'mine'), '/v1/agents/mine/run')
    expect((await run(user, 'mine-too')).statusCode).toBe(400)
  })

  it('tells of both limits with the finished run', async () => {
    const user = await registered()
    const response = await user.run({ task: 'Say hello.' })
    expect(response.json()).toMatchObject({ status: 'completed' })
    expectLimits(
      response,
      { name: 'admin', quota: 1000, remaining: 999 },
      { name: 'agent-run', quota: 30, remaining: 29 },
    )
  })
})
