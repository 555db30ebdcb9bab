import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { setTimeout as sleep } from 'node:timers/promises'
import { Database } from '#platform/database/database.js'
import { type Answer, type Claim, currentClaim } from '#platform/http/idempotency/claim.js'
import { ClaimLeases } from '#platform/http/idempotency/claim-leases.job.js'
import { Claims } from '#platform/http/idempotency/claims.service.js'
import { Idempotency } from '#platform/http/idempotency/idempotency.service.js'
import { AppHome } from '../support/app-process.js'
import { HttpUser, type RunAnswer } from '../support/http-user.js'
import { keyedRun } from '../support/keyed-run.js'
import { ModelSimulator } from '../support/model-simulator.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'

const REQUEST_HASH = Buffer.alloc(32, 1)
/** The lease of the dead attempt, and of its run, and the start. */
const TAKEOVER_LIMIT_MS = 60_000

let simulator: ModelSimulator
let app: TestApp
let second: TestApp
let user: TestUser
let keys = 0

function modelEnv(): Record<string, string> {
  return { OPENAI_BASE_URL: simulator.baseUrl, OPENAI_API_KEY: 'test', DEFAULT_MODEL: 'openai/gpt-4o-mini' }
}

beforeAll(async () => {
  simulator = await ModelSimulator.start()
  app = await TestApp.start({ env: modelEnv() })
  second = await TestApp.start({ env: modelEnv(), database: app.database })
})
afterAll(async () => {
  await second?.[Symbol.asyncDispose]()
  await app?.[Symbol.asyncDispose]()
  await simulator?.stop()
})
beforeEach(async () => {
  simulator.reset()
  // Longer than it takes to answer `respond-async`: a run that has ended by then is a 200.
  simulator.set({ latencyMs: 100 })
  user = await TestUser.register(app)
  keys += 1
})

/** So that no run of one test asks the model in the next. */
afterEach(async () => {
  while ((await app.sql('SELECT id FROM runs WHERE finished_at IS NULL')).length > 0) await sleep(20)
})

const newKey = (): string => `key-${keys}`

async function countRuns(): Promise<number> {
  return (await user.request({ url: '/v1/runs/count' })).json().count
}

/** The same user at the other replica. */
function elsewhere(): Pick<TestUser, 'request'> {
  const headers = { authorization: `Bearer ${user.accessToken}` }
  return { request: (options) => second.inject({ ...options, headers: { ...headers, ...options.headers } }) }
}

/** What a replica that is silent for 15 s looks like to the others. */
async function letLeaseRunOut(key: string): Promise<void> {
  await app.sql(`UPDATE idempotency_keys SET lease_expires_at = now() - interval '1 ms' WHERE key = $1`, [key])
}

async function claim(key: string): Promise<Claim> {
  const claimed = await app.nest.get(Claims).claim({ tenantId: user.tenantId, key, requestHash: REQUEST_HASH })
  if (!('claim' in claimed)) throw new Error('the key has an answer')
  return claimed.claim
}

describe('two replicas', () => {
  it('give the same answer to one key', async () => {
    const first = await keyedRun(user, newKey())
    const replayed = await keyedRun(elsewhere(), newKey())
    expect([replayed.statusCode, replayed.headers['idempotent-replayed']]).toEqual([202, 'true'])
    expect(replayed.body).toBe(first.body)
  })

  it('start one run when both are asked at once, again and again', async () => {
    for (let round = 0; round < 10; round += 1) {
      const key = `${newKey()}-${round}`
      const answers = await Promise.all([keyedRun(user, key), keyedRun(elsewhere(), key)])
      const statuses = answers.map(({ statusCode }) => statusCode)
      expect(statuses.filter((status) => status === 202).length).toBeGreaterThan(0)
      expect(statuses.every((status) => status === 202 || status === 409)).toBe(true)
      expect(await countRuns()).toBe(round + 1)
    }
  })

  it('answer with one run when the first falls silent after its write', async () => {
    simulator.set({ latencyMs: 1500, reply: 'Once.' })
    const first = keyedRun(user, newKey(), { prefer: 'wait=30' })
    await simulator.received(1)
    await letLeaseRunOut(newKey())
    const taken = await keyedRun(elsewhere(), newKey(), { prefer: 'wait=30' })
    expect([taken.statusCode, taken.headers['idempotent-replayed']]).toEqual([200, undefined])
    expect(taken.json().output.text).toBe('Once.')
    // The first one was only slow: what it says is true as well, and it overwrites nothing.
    expect((await first).body).toBe(taken.body)
    expect([await countRuns(), simulator.requests.length]).toEqual([1, 1])
  })
})

describe('kill -9 between the write and the answer', () => {
  it('and a retry with the same key end in one run', async () => {
    await using home = await AppHome.create()
    const process = home.start(modelEnv())
    const before = await HttpUser.register(await process.ready())
    simulator.next({ hang: 'before-headers' })
    const cut = before.run({ task: 'Survive.' }, { key: 'once', prefer: 'wait=60' }).catch(() => 'cut')
    await simulator.received(1)
    await process.stop('SIGKILL')
    expect(await cut).toBe('cut')

    const after = await HttpUser.login(await home.start(modelEnv()).ready(), before.email)
    const deadline = Date.now() + TAKEOVER_LIMIT_MS
    let answer = await after.run({ task: 'Survive.' }, { key: 'once', prefer: 'wait=60' })
    expect(answer.status).toBe(409)
    while (answer.status === 409 && Date.now() < deadline) {
      await sleep(250)
      answer = await after.run({ task: 'Survive.' }, { key: 'once', prefer: 'wait=60' })
    }
    expect(answer.status).toBe(200)
    const run = (await answer.json()) as RunAnswer
    expect(run).toMatchObject({ status: 'completed', output: { text: 'Simulated answer to: Survive.' } })
    // The run of the first attempt: its worker died once.
    expect(run.attempt).toBe(2)
    const replayed = await after.run({ task: 'Survive.' }, { key: 'once', prefer: 'wait=60' })
    expect([replayed.headers.get('idempotent-replayed'), await replayed.json()]).toEqual(['true', run])
  }, 120_000)
})

describe('an attempt that has lost its key', () => {
  it('writes nothing any more', async () => {
    const lost = await claim(newKey())
    await letLeaseRunOut(newKey())
    const current = await claim(newKey())
    expect(current.fencingNumber).toBe(lost.fencingNumber + 1)
    const idempotency = app.nest.get(Idempotency)
    const write = (as: Claim, name: string) =>
      currentClaim.run(as, () =>
        app.nest.get(Database).transaction({ tenantId: user.tenantId }, async (tx) => {
          await tx.execute({
            text: `INSERT INTO projects (tenant_id, id, slug, name, created_at, updated_at)
                   VALUES ($1, gen_random_uuid(), $2, $2, now(), now())`,
            values: [user.tenantId, name],
          })
          await idempotency.bind(name, tx)
        }),
      )
    await expect(write(lost, 'from-the-lost')).rejects.toMatchObject({ code: 'idempotency_in_flight' })
    await write(current, 'from-the-current')
    const rows = await app.sql('SELECT slug FROM projects WHERE tenant_id = $1', [user.tenantId])
    expect(rows).toEqual([{ slug: 'from-the-current' }])
  })

  it('neither keeps an answer nor gives the key back', async () => {
    const lost = await claim(newKey())
    await letLeaseRunOut(newKey())
    await claim(newKey())
    const claims = app.nest.get(Claims)
    await claims.keep(lost, { status: 200, headers: {}, body: null })
    await claims.release(lost)
    await expect(claim(newKey())).rejects.toMatchObject({ code: 'idempotency_in_flight' })
  })
})

describe('a lease', () => {
  it('goes on for as long as the request runs', async () => {
    const held = await claim(newKey())
    const leases = app.nest.get(ClaimLeases)
    leases.hold(held)
    await letLeaseRunOut(newKey())
    await leases.renewAll()
    await expect(claim(newKey())).rejects.toMatchObject({ code: 'idempotency_in_flight' })
    leases.drop(held)
    await letLeaseRunOut(newKey())
    await leases.renewAll()
    expect((await claim(newKey())).fencingNumber).toBe(held.fencingNumber + 1)
  })
})

describe('what was written before an attempt failed', () => {
  it('is found by the next attempt of the same request, and by no other request', async () => {
    const claims = app.nest.get(Claims)
    const first = await claim(newKey())
    await app.nest
      .get(Database)
      .transaction({ tenantId: user.tenantId }, (tx) => claims.bind(first, 'what-was-created', tx))
    await claims.release(first)
    const other = { tenantId: user.tenantId, key: newKey(), requestHash: Buffer.alloc(32, 2) }
    await expect(claims.claim(other)).rejects.toMatchObject({ code: 'idempotency_key_reused' })
    const next = await claim(newKey())
    const seen = currentClaim.run(next, () => app.nest.get(Idempotency).boundResource)
    expect(seen).toBe('what-was-created')
  })
})

describe('an answer that is kept with the write', () => {
  const ANSWER = { status: 201, body: { id: '1', key: 'tn_shown_once' }, location: '/v1/api-keys/1' }

  function complete(as: Claim, after: () => Promise<void> = async () => undefined): Promise<void> {
    return currentClaim.run(as, () =>
      app.nest.get(Database).transaction({ tenantId: user.tenantId }, async (tx) => {
        await app.nest.get(Idempotency).complete(ANSWER, tx)
        await after()
      }),
    )
  }

  it('is given to a retry whole, though the first attempt died before it answered', async () => {
    const first = await claim(newKey())
    await complete(first)
    const again = await app.nest
      .get(Claims)
      .claim({ tenantId: user.tenantId, key: newKey(), requestHash: REQUEST_HASH })
    const { answer } = again as { answer: Answer }
    expect([answer.status, answer.headers['location']]).toEqual([201, '/v1/api-keys/1'])
    expect(JSON.parse(String(answer.body))).toEqual(ANSWER.body)
    expect(first.answer).toEqual(answer)
    const rows = await app.sql(
      'SELECT row_to_json(k)::text AS whole FROM idempotency_keys k WHERE key = $1 AND tenant_id = $2',
      [newKey(), user.tenantId],
    )
    expect(rows).toHaveLength(1)
    expect(rows[0]?.['whole']).not.toContain(Buffer.from('tn_shown_once').toString('hex'))
    expect(rows[0]?.['whole']).not.toContain('tn_shown_once')
  })

  it('is not kept when the write is rolled back', async () => {
    const first = await claim(newKey())
    const failure = new Error('the write failed')
    await expect(complete(first, () => Promise.reject(failure))).rejects.toBe(failure)
    expect(first.answer).toBeUndefined()
    await app.nest.get(Claims).release(first)
    expect((await claim(newKey())).fencingNumber).toBe(1)
  })

  it('costs nothing without a key', async () => {
    const before = await app.sql('SELECT count(*) FROM idempotency_keys')
    await app.nest.get(Database).transaction({ tenantId: user.tenantId }, async (tx) => {
      await app.nest.get(Idempotency).bind('x', tx)
      await app.nest.get(Idempotency).complete(ANSWER, tx)
    })
    expect(app.nest.get(Idempotency).boundResource).toBeUndefined()
    expect(await app.sql('SELECT count(*) FROM idempotency_keys')).toEqual(before)
  })
})
