import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals'
import { AppHome } from '../support/app-process.js'
import { DeliveryVerdict } from '../support/chaos/delivery-verdict.js'
import { ClaimWatch } from '../support/chaos/claim-watch.js'
import { type Arrival, HookServer } from '../support/chaos/hook-server.js'
import { HookUser } from '../support/chaos/hook-user.js'
import { Replicas } from '../support/chaos/replicas.js'
import { eventually } from '../support/eventually.js'
import { createTestDatabase, type TestDatabase } from '../support/test-database.js'

jest.setTimeout(120_000)

const EVENTS = 80
const MAX_PER_SECOND = 20
/** A claim's pace is kept to the millisecond; how long a request takes to arrive is not. */
const MOST_IN_A_SECOND = MAX_PER_SECOND * 1.1
/** What was claimed together goes side by side. */
const MAX_PLACES_OFF = 3
/** A request that a busy machine holds up comes late alone, by however many places. */
const MAX_SHARE_LATE = 0.05
const LIMIT_MS = 60_000
const PATH = '/hooks/0'

let database: TestDatabase
let home: AppHome
let hooks: HookServer
let tables: ClaimWatch
let replicas: Replicas

beforeEach(async () => {
  database = await createTestDatabase()
  home = await AppHome.create()
  hooks = await HookServer.start()
  replicas = new Replicas(home, {
    DATABASE_URL: database.url,
    REDIS_URL: process.env['TEST_REDIS_URL'] ?? '',
    OUTBOUND_ALLOWED_CIDRS: '127.0.0.1/32',
    // Ten minutes of the real schedule in seconds: retries, and an endpoint that is left alone, and tried, and left alone.
    WEBHOOK_RETRY_SECONDS: '1,2,2,60,60,60',
    WEBHOOK_CIRCUIT_FAILURES: '3',
    WEBHOOK_CIRCUIT_MIN_SECONDS: '1',
    WEBHOOK_CIRCUIT_MAX_SECONDS: '2',
  })
  await replicas.start(0)
  await replicas.start(1)
  tables = await ClaimWatch.install(database.url)
})
afterEach(async () => {
  await home[Symbol.asyncDispose]()
  await tables?.[Symbol.asyncDispose]()
  await hooks[Symbol.asyncDispose]()
  await database[Symbol.asyncDispose]()
})

/** The most that came within any second that begins with an arrival. */
function mostInASecond(arrivals: readonly Arrival[]): number {
  return Math.max(
    ...arrivals.map((first) => arrivals.filter(({ at }) => at >= first.at && at < first.at + 1000).length),
  )
}

describe('a receiver that was away for a while', () => {
  it('gets everything in order of age, over two replicas no faster than maxPerSecond', async () => {
    const user = await HookUser.register(replicas)
    const url = hooks.baseUrl + PATH
    const endpoint = await user.addEndpoint({ url, events: ['apiKey.created'], maxPerSecond: MAX_PER_SECOND })
    await hooks.close()
    for (let made = 0; made < EVENTS; made++) await user.addKey()
    await eventually(
      () => tables.query<{ level: number }>('SELECT circuit_level AS level FROM webhook_health'),
      ([health]) => (health?.level ?? 0) > 1,
      LIMIT_MS,
    )
    await hooks.open()
    const judge = () => DeliveryVerdict.of(tables, new Map([[PATH, endpoint]]), hooks.arrivals)
    const verdict = await eventually(judge, (seen) => seen.undelivered().length === 0, LIMIT_MS)

    expect(verdict.size).toBe(EVENTS)
    expect(verdict.lost()).toEqual([])
    expect(verdict.forged()).toEqual([])
    expect(verdict.repeated()).toBe(0)
    const messages = await tables.query<{ id: string }>('SELECT id FROM webhook_messages ORDER BY created_at, id')
    // The first is whichever the closed circuit was tried with.
    const [probe, ...arrived] = hooks.arrivals.map(({ headers }) => headers['webhook-id'])
    const byAge = messages.map(({ id }) => id).filter((id) => id !== probe)
    const placesOff = arrived.map((id, place) => Math.abs(byAge.indexOf(id ?? '') - place))
    const late = placesOff.filter((places) => places > MAX_PLACES_OFF)
    expect(late.length).toBeLessThanOrEqual(arrived.length * MAX_SHARE_LATE)
    expect(mostInASecond(hooks.arrivals)).toBeLessThanOrEqual(MOST_IN_A_SECOND)
    process.stderr.write(
      `places off ${Math.max(...placesOff)}, most ${mostInASecond(hooks.arrivals)}, ${hooks.arrivals.at(-1)!.at - hooks.arrivals[0]!.at} ms\n`,
    )
  })
})
