import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import type { FastifyInstance } from 'fastify'
import { Database } from '#platform/database/database.js'
import { NPlusOneDetector } from '#platform/database/monitor/n-plus-one-detector.js'
import { requestContext } from '#platform/http/request-context.js'
import { ProjectEntity } from '../../src/modules/projects/project.entity.js'
import { TestApp } from '../support/test-app.js'

const ROUTE = '/test/asks/:times/over/:pool'
const STATEMENT = { name: 'test_asked', text: 'SELECT $1::text AS said', values: ['something of somebody'] }

let app: TestApp

beforeAll(async () => {
  app = await TestApp.start({ routes: (fastify) => addRoutes(fastify, () => app) })
})
beforeEach(() => void app.log.take('n_plus_one'))
afterAll(async () => app[Symbol.asyncDispose]())

function addRoutes(fastify: FastifyInstance, appOf: () => TestApp): void {
  fastify.get<{ Params: { times: string; pool: 'requests' | 'workers' } }>(ROUTE, async ({ params }) => {
    const pool = appOf().nest.get(Database)[params.pool]
    for (let time = 0; time < Number(params.times); time++) await pool.read({}, STATEMENT)
    return {}
  })
  fastify.get('/test/asks-by-rows', async () =>
    appOf()
      .nest.get(Database)
      .transaction({}, async (tx) => {
        for (let row = 0; row < 11; row++) await tx.entities.findOneBy(ProjectEntity, { slug: `of-somebody-${row}` })
        return {}
      }),
  )
}

async function ask(times: number, pool = 'requests'): Promise<void> {
  const { statusCode } = await app.inject({ url: `/test/asks/${times}/over/${pool}` })
  expect(statusCode).toBe(200)
}

describe('a request that asks row by row', () => {
  it('is found at the eleventh time of one statement, and named by its route', async () => {
    await ask(10)
    expect(app.log.take('n_plus_one')).toEqual([])
    await ask(11)
    expect(app.log.take('n_plus_one')).toMatchObject([
      { level: 'warn', statement: 'test_asked', count: 11, route: ROUTE, requestId: expect.any(String) },
    ])
  })

  it('is told of once, and counted', async () => {
    const before = await counted()
    await ask(40)
    const lines = app.log.take('n_plus_one')
    expect(lines).toHaveLength(1)
    expect(JSON.stringify(lines)).not.toContain('somebody')
    expect((await counted()) - before).toBe(1)
  })

  it('is found whatever asks: entities have no names, and are known by their text', async () => {
    expect((await app.inject({ url: '/test/asks-by-rows' })).statusCode).toBe(200)
    const lines = app.log.take('n_plus_one')
    expect(lines).toMatchObject([{ count: 11, statement: expect.stringMatching(/^[0-9a-f]{12} SELECT .*project/i) }])
    expect(JSON.stringify(lines)).not.toContain('somebody')
  })

  it('is none that shares its statements with other requests, or with background work', async () => {
    await Promise.all([ask(6), ask(6), ask(6)])
    await ask(20, 'workers')
    const { requests } = app.nest.get(Database)
    for (let time = 0; time < 12; time++) await requests.read({}, STATEMENT)
    expect(app.log.take('n_plus_one')).toEqual([])
  })

  it('is none that waits for something and looks again now and then', () => {
    const detector = app.nest.get(NPlusOneDetector)
    const look = (everyMs: number) =>
      requestContext.run({ requestId: 'waits' }, () => {
        for (let time = 0; time < 12; time++)
          detector.count([{ name: 'test_look', text: '', values: [] }], time * everyMs)
      })
    look(5000)
    expect(app.log.take('n_plus_one')).toEqual([])
    look(50)
    expect(app.log.take('n_plus_one')).toHaveLength(1)
  })

  it('fails the test that made it', async () => {
    const replica: TestApp = await TestApp.start({
      database: app.database,
      routes: (fastify) => addRoutes(fastify, () => replica),
    })
    await replica.inject({ url: '/test/asks/11/over/requests' })
    await expect(replica[Symbol.asyncDispose]()).rejects.toThrow(`${ROUTE}: test_asked`)
  })

  it('is nobody looked for in production', async () => {
    const replica: TestApp = await TestApp.start({
      database: app.database,
      env: { NODE_ENV: 'production', ARGON2_MEMORY_KIB: '19456', ARGON2_TIME_COST: '2' },
      routes: (fastify) => addRoutes(fastify, () => replica),
    })
    expect((await replica.inject({ url: '/test/asks/11/over/requests' })).statusCode).toBe(200)
    expect(app.log.take('n_plus_one')).toEqual([])
    await replica[Symbol.asyncDispose]()
  })
})

async function counted(): Promise<number> {
  const { body } = await app.inject({ url: '/metrics' })
  return Number(/^temponest_db_n_plus_one_total (\d+)$/m.exec(body)?.[1])
}
