import { afterAll, beforeAll, expect, it, jest } from '@jest/globals'
import { Database } from '#platform/database/database.js'
import { TestApp } from '../support/test-app.js'
import { expectNoForeignRow } from './foreign-rows.js'
import { interleave, makeTenants } from './interleaving.js'

jest.setTimeout(240_000)

const REQUESTS = 10_000
const TENANTS = 50
const POOL_SIZE = 4

let app: TestApp

beforeAll(async () => {
  app = await TestApp.start({ env: { DATABASE_POOL_SIZE: String(POOL_SIZE), DATABASE_WORKER_POOL_SIZE: '2' } })
})
afterAll(async () => app?.[Symbol.asyncDispose]())

it(`gives ${REQUESTS} interleaved requests of ${TENANTS} tenants on ${POOL_SIZE} connections no foreign row`, async () => {
  const baseUrl = await app.listen()
  const tenants = await makeTenants(app, TENANTS)
  const result = await interleave(app, { tenants, count: REQUESTS, baseUrl })
  await expectNoForeignRow(app, result, REQUESTS)
  const { total, idle, waiting } = app.nest.get(Database).requests.load
  expect({ total, idle, waiting }).toEqual({ total: idle, idle, waiting: 0 })
  expect(total).toBeLessThanOrEqual(POOL_SIZE)
})
