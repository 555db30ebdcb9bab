import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals'
import { setTimeout as sleep } from 'node:timers/promises'
import { AppHome } from '../support/app-process.js'
import { ClaimWatch } from '../support/chaos/claim-watch.js'
import { DeliveryVerdict } from '../support/chaos/delivery-verdict.js'
import { HookServer } from '../support/chaos/hook-server.js'
import { type HookEndpoint, HookUser } from '../support/chaos/hook-user.js'
import { Replicas } from '../support/chaos/replicas.js'
import { createTestDatabase, type TestDatabase } from '../support/test-database.js'

jest.setTimeout(120_000)

const ENDPOINTS = 25
/** Each is a delivery to every endpoint. */
const EVENTS = 8
const AFFECTED = ENDPOINTS * EVENTS
const RANDOM_EVENTS = 48
const KILLS = 6
const SPARES = [2, 3]
const MAX_PAUSE_MS = 300
const MAX_LATENCY_MS = 60
const POLL_MS = 30
const LIMIT_MS = 30_000
const EVENT = 'apiKey.created'

let database: TestDatabase
let home: AppHome
let hooks: HookServer
let watch: ClaimWatch
let replicas: Replicas
let user: HookUser
let endpoints: Map<string, HookEndpoint>

beforeAll(async () => {
  database = await createTestDatabase()
  home = await AppHome.create()
  hooks = await HookServer.start()
  replicas = new Replicas(home, {
    DATABASE_URL: database.url,
    REDIS_URL: process.env['TEST_REDIS_URL'] ?? '',
    DATABASE_STATEMENT_TIMEOUT_MS: '60000',
    OUTBOUND_ALLOWED_CIDRS: '127.0.0.1/32',
    // A claim ends soon after it.
    WEBHOOK_TIMEOUT_MS: '2000',
    WEBHOOK_RETRY_SECONDS: '1,1,1,1,1',
    // What is left without an answer is killed, not given up on.
    WEBHOOK_CIRCUIT_FAILURES: '1000',
  })
  await replicas.start(0)
  watch = await ClaimWatch.install(database.url)
  user = await HookUser.register(replicas)
  const paths = Array.from({ length: ENDPOINTS }, (_, index) => `/hooks/${index}`)
  const made = await Promise.all(
    paths.map(async (path) => [path, await user.addEndpoint({ url: hooks.baseUrl + path, events: [EVENT] })] as const),
  )
  endpoints = new Map(made)
  await replicas.start(1)
})
afterAll(async () => {
  await home?.[Symbol.asyncDispose]()
  await watch?.[Symbol.asyncDispose]()
  await hooks?.[Symbol.asyncDispose]()
  await database?.[Symbol.asyncDispose]()
})

const judge = () => DeliveryVerdict.of(watch, endpoints, hooks.arrivals)

async function until(isMet: () => Promise<boolean>, describeState: () => Promise<unknown>): Promise<void> {
  const deadline = Date.now() + LIMIT_MS
  while (!(await isMet())) {
    if (Date.now() > deadline) throw new Error(`waited in vain: ${JSON.stringify(await describeState(), null, 1)}`)
    await sleep(POLL_MS)
  }
}

/** Ids of keys whose making was answered: what they tell must arrive. */
const keys = new Set<string>()

async function addKey(): Promise<void> {
  const key = await user.addKey()
  if (key !== null) keys.add(key)
}

async function addKeys(count: number): Promise<void> {
  await Promise.all(Array.from({ length: count }, addKey))
}

async function whenAllDelivered(): Promise<void> {
  await until(
    async () => (await judge()).undelivered().length === 0,
    async () => (await judge()).undelivered(),
  )
}

async function killBoth(): Promise<void> {
  await Promise.all([replicas.stop(0, 'SIGKILL'), replicas.stop(1, 'SIGKILL')])
}

async function startBoth(): Promise<void> {
  await Promise.all([replicas.start(0), replicas.start(1)])
}

/** What must be true in the end of all that was ever told, whatever was killed when. */
async function expectNothingLost(): Promise<DeliveryVerdict> {
  await whenAllDelivered()
  const verdict = await judge()
  const told = await watch.query<{ key: string }>(
    `SELECT body::jsonb -> 'data' ->> 'apiKeyId' AS key FROM webhook_messages ORDER BY 1`,
  )
  expect(await watch.query(`SELECT id::text AS key FROM api_keys ORDER BY 1`)).toEqual(told)
  expect([...keys.difference(new Set(told.map(({ key }) => key)))]).toEqual([])
  expect(verdict.size).toBe(told.length * ENDPOINTS)
  expect(verdict.lost()).toEqual([])
  expect(verdict.wrongArrivals()).toEqual([])
  expect(verdict.forged()).toEqual([])
  expect(verdict.wrongCounts()).toEqual([])
  return verdict
}

describe('kill -9 between commit and send', () => {
  it.each([
    ['before a claim is there', 'rollBack'],
    ['after the claim, before the sender hears of it', 'letCommit'],
  ] as const)(`loses none of ${AFFECTED} deliveries: %s`, async (_, fate) => {
    await watch.hold()
    await addKeys(EVENTS)
    await until(
      async () => (await watch.held()).length > 0,
      () => watch.held(),
    )
    await killBoth()
    expect((await judge()).unsent()).toBe(AFFECTED)
    await watch[fate]()
    await startBoth()
    const verdict = await expectNothingLost()
    expect(verdict.repeated()).toBe(0)
  })
})

describe('kill -9 in mid-send', () => {
  it(`sends each of ${AFFECTED} deliveries and more once more, the same message by its id and its bytes`, async () => {
    const cutOff = new Set<string>()
    while (cutOff.size < AFFECTED) {
      hooks.latencyMs = () => null
      await addKeys(EVENTS)
      await hooks.until(() => hooks.held().length >= AFFECTED / 2, LIMIT_MS)
      const held = hooks.held()
      await killBoth()
      for (const { path, headers } of held) cutOff.add(`${path} ${headers['webhook-id']}`)
      hooks.letGo()
      await startBoth()
      await whenAllDelivered()
    }
    const verdict = await expectNothingLost()
    expect(verdict.repeated()).toBeGreaterThanOrEqual(cutOff.size)
  })
})

describe('kill -9 at random', () => {
  it(`${KILLS} times, over ${RANDOM_EVENTS} events for ${ENDPOINTS} endpoints, loses and changes nothing`, async () => {
    hooks.latencyMs = () => Math.random() * MAX_LATENCY_MS
    const ready = new Set([0, 1])
    const started: Promise<void>[] = []
    const startSome = (count: number): void => {
      for (let i = 0; i < count && started.length < RANDOM_EVENTS; i++) started.push(addKey())
    }
    let kills = 0
    /** Two are at work, others start meanwhile: whenever one more is ready, a random one dies at a random moment. */
    const haunt = async (spare: number): Promise<void> => {
      let slot = spare
      while (kills < KILLS) {
        startSome(RANDOM_EVENTS / KILLS)
        await replicas.start(slot)
        ready.add(slot)
        await sleep(Math.random() * MAX_PAUSE_MS)
        if (kills === KILLS) return
        kills++
        slot = [...ready][Math.floor(Math.random() * ready.size)] ?? slot
        ready.delete(slot)
        await replicas.stop(slot, 'SIGKILL')
      }
    }
    await Promise.all(SPARES.map(haunt))
    startSome(RANDOM_EVENTS)
    await Promise.all(started)
    await expectNothingLost()
    expect(kills).toBe(KILLS)
  })
})
