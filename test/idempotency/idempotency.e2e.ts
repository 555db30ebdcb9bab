import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { request as httpRequest } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { IdempotencySweep } from '#platform/http/idempotency/idempotency-sweep.job.js'
import { Colleague } from '../support/colleague.js'
import { keyedRun } from '../support/keyed-run.js'
import { ModelSimulator } from '../support/model-simulator.js'
import { expectProblem } from '../support/problem.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'

const SECRET_REPLY = 'the-secret-of-the-house'

let simulator: ModelSimulator
let app: TestApp
let user: TestUser
let keys = 0

beforeAll(async () => {
  simulator = await ModelSimulator.start()
  app = await TestApp.start({
    env: { OPENAI_BASE_URL: simulator.baseUrl, OPENAI_API_KEY: 'test', DEFAULT_MODEL: 'openai/gpt-4o-mini' },
  })
})
afterAll(async () => {
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

async function until(isMet: () => Promise<boolean>): Promise<void> {
  while (!(await isMet())) await sleep(20)
}

describe('a request that is sent again with its Idempotency-Key', () => {
  it('is answered with the bytes, the status and the headers of the first answer', async () => {
    const key = newKey()
    const first = await keyedRun(user, key)
    expect([first.statusCode, first.headers['idempotent-replayed']]).toEqual([202, undefined])
    // By now the run has changed; the answer has not.
    await until(async () => (await user.request({ url: String(first.headers['location']) })).json().finishedAt !== null)
    const second = await keyedRun(user, key)
    expect([second.statusCode, second.headers['idempotent-replayed']]).toEqual([202, 'true'])
    expect(second.rawPayload.equals(first.rawPayload)).toBe(true)
    for (const header of ['location', 'preference-applied', 'content-type']) {
      expect([header, first.headers[header]]).toEqual([header, expect.any(String)])
      expect([header, second.headers[header]]).toEqual([header, first.headers[header]])
    }
    expect(second.headers['x-request-id']).not.toBe(first.headers['x-request-id'])
    expect(await countRuns()).toBe(1)
  })

  it('is answered with the finished run, without asking the model again', async () => {
    const key = newKey()
    simulator.reply('Done once. Ünïcode, too.')
    const first = await keyedRun(user, key, { prefer: 'wait=30' })
    expect([first.statusCode, first.json().output.text]).toEqual([200, 'Done once. Ünïcode, too.'])
    const second = await keyedRun(user, key, { prefer: 'wait=30' })
    expect([second.statusCode, second.body]).toEqual([200, first.body])
    expect(second.headers).not.toHaveProperty('location')
    expect(simulator.requests).toHaveLength(1)
  })

  it('is answered in the same bytes as without a key', async () => {
    const { id } = (await keyedRun(user, newKey(), { prefer: 'wait=30' })).json()
    const plain = await user.run({ task: 'Do it once.' }, { prefer: 'wait=30' })
    expect(Object.keys(plain.json())).toEqual(Object.keys((await user.request({ url: `/v1/runs/${id}` })).json()))
    expect((await keyedRun(user, newKey(), { prefer: 'wait=30' })).headers['content-type']).toBe(
      plain.headers['content-type'],
    )
  })

  it('may differ in white space and in the order of its keys', async () => {
    const key = newKey()
    const send = (payload: string) =>
      user.request({
        method: 'POST',
        url: '/v1/agents/developer/run',
        headers: { 'idempotency-key': key, 'content-type': 'application/json', prefer: 'respond-async' },
        payload,
      })
    const first = await send('{"task":"Do it.","limits":{"maxTokens":5,"maxSteps":1}}')
    const second = await send('{ "limits": {"maxSteps":1,"maxTokens":5},\n "task":"Do it." }')
    expect([second.statusCode, second.body]).toEqual([202, first.body])
  })

  it.each<[string, Parameters<typeof keyedRun>[2]]>([
    ['body', { payload: { task: 'Do something else.' } }],
    ['path', { agent: 'designer' }],
    ['query', { query: '?dryRun=true' }],
  ])('is refused with another %s', async (_what, changes) => {
    const key = newKey()
    const first = await keyedRun(user, key)
    expectProblem(await keyedRun(user, key, changes), { status: 422, code: 'idempotency_key_reused' })
    expect((await keyedRun(user, key)).body).toBe(first.body)
    expect(await countRuns()).toBe(1)
  })

  it('is refused to another member of the tenant, who is shown nothing of the answer', async () => {
    const key = newKey()
    const { id } = (await keyedRun(user, key)).json()
    const colleague = await Colleague.join(app, user, 'admin')
    const problem = expectProblem(await keyedRun(colleague, key), { status: 422, code: 'idempotency_key_reused' })
    expect(JSON.stringify(problem)).not.toContain(id)
  })

  it('is another request in another tenant', async () => {
    const key = newKey()
    const first = (await keyedRun(user, key)).json()
    const stranger = await TestUser.register(app)
    const other = await keyedRun(stranger, key)
    expect([other.statusCode, other.headers['idempotent-replayed']]).toEqual([202, undefined])
    expect(other.json().id).not.toBe(first.id)
  })

  it('is a new request a day later', async () => {
    const key = newKey()
    const first = (await keyedRun(user, key)).json()
    await app.sql('UPDATE idempotency_keys SET expires_at = now() WHERE key = $1', [key])
    const again = await keyedRun(user, key, { payload: { task: 'Do something else.' } })
    expect([again.statusCode, again.headers['idempotent-replayed']]).toEqual([202, undefined])
    expect(again.json().id).not.toBe(first.id)
    const [row] = await app.sql(
      `SELECT expires_at - now() > interval '23 hours' AS lives FROM idempotency_keys WHERE key = $1`,
      [key],
    )
    expect(row).toEqual({ lives: true })
  })
})

describe('while the first request runs', () => {
  it('a second one is a 409 that says when to ask again, and then gets the answer', async () => {
    const key = newKey()
    simulator.set({ latencyMs: 1000, reply: 'Slow.' })
    const first = keyedRun(user, key, { prefer: 'wait=30' })
    await simulator.received(1)
    const second = await keyedRun(user, key, { prefer: 'wait=30' })
    expectProblem(second, { status: 409, code: 'idempotency_in_flight' })
    expect(second.headers['retry-after']).toBe('1')
    expectProblem(await keyedRun(user, key, { agent: 'designer' }), { status: 422, code: 'idempotency_key_reused' })
    const { body } = await first
    expect((await keyedRun(user, key, { prefer: 'wait=30' })).body).toBe(body)
    expect(simulator.requests).toHaveLength(1)
  })

  it('fifty at once start one run', async () => {
    const key = newKey()
    simulator.set({ latencyMs: 300 })
    const answers = await Promise.all(Array.from({ length: 50 }, () => keyedRun(user, key, { prefer: 'wait=30' })))
    const ok = answers.filter(({ statusCode }) => statusCode === 200)
    expect(new Set(answers.map(({ statusCode }) => statusCode)).difference(new Set([200, 409])).size).toBe(0)
    expect(ok.length).toBeGreaterThanOrEqual(1)
    expect(new Set(ok.map(({ body }) => body)).size).toBe(1)
    expect(ok.filter(({ headers }) => headers['idempotent-replayed'] === undefined)).toHaveLength(1)
    expect([await countRuns(), simulator.requests.length]).toEqual([1, 1])
  })

  it('a client that hangs up finds the answer when it asks again', async () => {
    const key = newKey()
    simulator.set({ latencyMs: 800, reply: 'Nobody listened.' })
    const body = JSON.stringify({ task: 'Do it once.' })
    const client = httpRequest(`${await app.listen()}/v1/agents/developer/run`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${user.accessToken}`,
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        'idempotency-key': key,
        prefer: 'wait=30',
      },
    })
    client.on('error', () => undefined).end(body)
    await simulator.received(1)
    client.destroy()
    let answer = await keyedRun(user, key, { prefer: 'wait=30' })
    expect(answer.statusCode).toBe(409)
    while (answer.statusCode === 409) {
      await sleep(50)
      answer = await keyedRun(user, key, { prefer: 'wait=30' })
    }
    expect([answer.statusCode, answer.headers['idempotent-replayed']]).toEqual([200, 'true'])
    expect(answer.json().output.text).toBe('Nobody listened.')
    expect(await countRuns()).toBe(1)
  })
})

describe('an Idempotency-Key', () => {
  it('is free again when its request was refused', async () => {
    const key = newKey()
    expect((await keyedRun(user, key, { payload: { task: '' } })).statusCode).toBe(400)
    expect((await keyedRun(user, key, { agent: 'nobody' })).statusCode).toBe(404)
    expect((await keyedRun(user, key, { payload: { task: 'x', project: 'none' } })).statusCode).toBe(400)
    expect((await keyedRun(user, key)).statusCode).toBe(202)
  })

  it('is not looked at before who asks is known', async () => {
    const response = await app.inject({
      method: 'POST',
      url: '/v1/agents/developer/run',
      headers: { 'idempotency-key': '' },
      payload: { task: 'x' },
    })
    expect(response.statusCode).toBe(401)
  })

  it.each([
    ['is empty', ''],
    ['has 256 characters', 'k'.repeat(256)],
    ['has a space', 'a b'],
    ['has a tab', 'a\tb'],
    ['has a letter that is not ASCII', 'clé'],
  ])('is refused when it %s', async (_what, key) => {
    expectProblem(await keyedRun(user, key), {
      status: 400,
      code: 'validation_failed',
      pointers: ['/headers/idempotency-key'],
    })
    expect(await countRuns()).toBe(0)
  })

  it.each(['!', '~'.repeat(255), `'; DROP TABLE runs; --`.replaceAll(' ', '/')])('can be %s', async (key) => {
    const first = await keyedRun(user, key)
    expect([first.statusCode, (await keyedRun(user, key)).body]).toEqual([202, first.body])
  })

  it('takes a body that is nested too deep to be valid as any other invalid body', async () => {
    const payload = `{"task":"x","outputSchema":${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}}`
    const headers = { 'idempotency-key': newKey(), 'content-type': 'application/json' }
    const url = '/v1/agents/developer/run'
    const { ['idempotency-key']: _, ...plain } = headers
    const without = await user.request({ method: 'POST', url, headers: plain, payload })
    const withKey = await user.request({ method: 'POST', url, headers, payload })
    expect([withKey.statusCode, withKey.json().code]).toEqual([without.statusCode, without.json().code])
    expect(withKey.statusCode).toBe(400)
  })
})

describe('the OpenAPI document', () => {
  it('has the header and its refusals on the route that starts runs, and on none that has no keys', async () => {
    const { paths } = (await app.inject({ url: '/openapi.json' })).json()
    const start = paths['/v1/agents/{slug}/run'].post
    expect(start.parameters).toContainEqual(
      expect.objectContaining({
        name: 'Idempotency-Key',
        in: 'header',
        required: false,
        schema: { type: 'string', maxLength: 255, pattern: expect.any(String) },
      }),
    )
    expect(Object.keys(start.responses)).toEqual(expect.arrayContaining(['400', '409', '422']))
    expect(JSON.stringify(paths['/v1/auth/login'])).not.toContain('Idempotency-Key')
  })
})

describe('the table of keys', () => {
  it('shows nothing of an answer to who reads it', async () => {
    const key = newKey()
    simulator.reply(SECRET_REPLY)
    const first = await keyedRun(user, key, { prefer: 'wait=30' })
    expect(first.body).toContain(SECRET_REPLY)
    const [row] = await app.sql(
      'SELECT response_body, row_to_json(k)::text AS whole FROM idempotency_keys k WHERE key = $1',
      [key],
    )
    const stored = row?.['response_body'] as Buffer
    expect(stored.length).toBeGreaterThan(first.rawPayload.length)
    expect(stored.includes(SECRET_REPLY)).toBe(false)
    expect(row?.['whole']).not.toContain(SECRET_REPLY)
  })

  it('says that an answer is lost, and does nothing again, when it has been tampered with', async () => {
    const key = newKey()
    await keyedRun(user, key)
    await app.sql(`UPDATE idempotency_keys SET response_body = response_body || '\\x00' WHERE key = $1`, [key])
    expectProblem(await keyedRun(user, key), { status: 409, code: 'idempotency_answer_lost' })
    expect(await countRuns()).toBe(1)
  })

  it('is swept of keys that are a day old, of every tenant, and of no other', async () => {
    const other = await TestUser.register(app)
    await keyedRun(user, 'old')
    await keyedRun(user, 'young')
    await keyedRun(other, 'old')
    await app.sql(`UPDATE idempotency_keys SET expires_at = now() - interval '1 second' WHERE key = 'old'`)
    await app.nest.get(IdempotencySweep).sweep()
    const rows = await app.sql('SELECT key FROM idempotency_keys WHERE tenant_id IN ($1, $2)', [
      user.tenantId,
      other.tenantId,
    ])
    expect(rows).toEqual([{ key: 'young' }])
  })
})
