import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { createClient } from 'redis'
import { RedisConnection } from '#platform/cache/redis-connection.js'
import { healthSchema } from '../../src/modules/health/health.schemas.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'

describe('health', () => {
  let app: TestApp

  beforeAll(async () => {
    app = await TestApp.start()
  })
  afterAll(async () => app[Symbol.asyncDispose]())

  it('is whole with a database and the in-process cache', async () => {
    const response = await app.inject({ url: '/health' })
    expect(response.statusCode).toBe(200)
    expect(healthSchema.parse(response.json())).toMatchObject({
      status: 'ok',
      checks: { database: { status: 'up' }, cache: { status: 'up', tier: 'in-process' }, model: { status: 'up' } },
    })
  })

  it('is whole with Redis, which it names', async () => {
    await using replica = await TestApp.start({ env: { REDIS_URL: process.env['TEST_REDIS_URL'] ?? '' } })
    await until(() => replica.nest.get(RedisConnection).client?.isReady === true)
    const health = (await replica.inject({ url: '/health' })).json()
    expect(health).toMatchObject({ status: 'ok', checks: { cache: { status: 'up', tier: 'redis' } } })
    // The check itself was kept in both tiers, for ten seconds.
    const redis = await createClient({ url: process.env['TEST_REDIS_URL'] ?? '' }).connect()
    const keys = await redis.keys('temponest*health:database*')
    const ttlMs = await redis.pTTL(keys[0] ?? '')
    redis.destroy()
    expect(keys).not.toEqual([])
    expect(ttlMs).toBeGreaterThan(0)
    expect(ttlMs).toBeLessThanOrEqual(10_000)
  })

  it('is degraded, and serves, without the Redis that it was given', async () => {
    await using replica = await TestApp.start({ env: { REDIS_URL: 'redis://127.0.0.1:1' } })
    const response = await replica.inject({ url: '/health' })
    expect([response.statusCode, response.json().status]).toEqual([200, 'degraded'])
    expect((await replica.inject({ url: '/health/readiness' })).statusCode).toBe(200)
    const user = await TestUser.register(replica)
    expect((await user.run({ task: 'Serve.' })).json().status).toBe('completed')
  })

  it('keeps raw paths out of the metrics: routes are templates', async () => {
    const user = await TestUser.register(app)
    const { id } = (await user.run({ task: 'Count me.' })).json()
    await user.request({ url: `/v1/runs/${id}` })
    await user.request({ url: '/no/such/path' })
    const response = await app.inject({ url: '/metrics' })
    expect(response.headers['content-type']).toMatch(/^text\/plain/)
    expect(response.body).toMatch(/^process_cpu_seconds_total /m)
    expect(response.body).toContain(
      'http_request_duration_seconds_count{method="GET",route="/v1/runs/:id",status="200"}',
    )
    expect(response.body).toContain('route="unmatched",status="404"')
    expect(response.body).toMatch(/temponest_runs_finished_total\{agent="developer",status="completed"\} [1-9]/)
    expect(response.body).not.toContain(id)
    expect(response.body).not.toContain('/no/such/path')
  })
})

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 20))
}
