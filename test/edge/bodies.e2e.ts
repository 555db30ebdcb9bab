import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { gzipSync } from 'node:zlib'
import type { LightMyRequestResponse } from 'fastify'
import { expectProblem } from '../support/problem.js'
import { TestApp } from '../support/test-app.js'
import { PASSWORD, TestUser } from '../support/test-user.js'

const RUN_URL = '/v1/agents/developer/run'
const JSON_TYPE = { 'content-type': 'application/json' }
/** Not due while tests run. */
const SCHEDULE = '{"name":"Report","agent":"developer","task":"Write a report.","cron":"30 4 1 1 *"}'
const REFUSED = { status: 400, code: 'validation_failed' }

let app: TestApp
let user: TestUser

beforeAll(async () => {
  app = await TestApp.start()
  user = await TestUser.register(app)
})
afterAll(() => app[Symbol.asyncDispose]())

function post(payload: string | Buffer, headers: Record<string, string> = {}, url = RUN_URL) {
  return user.request({ method: 'POST', url, payload, headers: { ...JSON_TYPE, ...headers } })
}
const nested = (depth: number, [open, close]: [string, string] = ['[', ']']): string =>
  `${open.repeat(depth)}1${close.repeat(depth)}`

describe('a body that changes what objects are', () => {
  it.each([
    ['__proto__', '{"task":"x","__proto__":{"isAdmin":true}}'],
    ['__proto__, escaped', String.raw`{"task":"x","\u005f\u005fproto\u005f\u005f":{"isAdmin":true}}`],
    ['__proto__, deep inside', '{"task":"x","limits":{"__proto__":{"maxTokens":1}}}'],
    ['constructor.prototype', '{"task":"x","constructor":{"prototype":{"isAdmin":true}}}'],
    ['constructor.prototype, deep inside', '{"task":"x","metadata":{"constructor":{"prototype":{"a":"b"}}}}'],
  ])('is refused: %s', async (_, payload) => {
    expectProblem(await post(payload), { ...REFUSED, instance: RUN_URL })
    expect(({} as Record<string, unknown>)['isAdmin']).toBeUndefined()
  })
})

describe('a body that says a key twice', () => {
  it('is judged by what it is taken for: the last', async () => {
    expectProblem(await post('{"task":"fine","task":""}'), { ...REFUSED, pointers: ['/task'] })
    const response = await post('{"task":"","task":"fine"}')
    expect([response.statusCode, response.json().task]).toEqual([200, 'fine'])
  })

  it('signs nobody in with the first', async () => {
    const payload = `{"email":"${user.email}","email":"nobody@example.com","password":"${PASSWORD}"}`
    expect((await post(payload, {}, '/v1/auth/login')).statusCode).toBe(401)
  })
})

describe('a body of great depth', () => {
  const DEPTH = 100_000

  it.each([
    ['lists', nested(DEPTH)],
    ['a list for a task', `{"task":${nested(DEPTH)}}`],
    ['objects for limits', `{"task":"x","limits":${nested(20_000, ['{"a":', '}'])}}`],
    ['objects for metadata', `{"task":"x","metadata":{"a":${nested(20_000, ['{"a":', '}'])}}}`],
    ['a schema of schemas', `{"task":"x","outputSchema":${nested(20_000, ['{"not":', '}'])}}`],
    ['a schema of lists', `{"task":"x","outputSchema":{"enum":${nested(DEPTH)}}}`],
    ['lists without an end', '['.repeat(DEPTH)],
  ])('is refused, and costs no stack: %s', async (_, payload) => {
    expectProblem(await post(payload), { ...REFUSED, instance: RUN_URL })
  })
})

describe('a body in another coding than JSON in UTF-8', () => {
  const unsupported = { status: 415, code: 'unsupported_media_type', instance: RUN_URL }
  const body = '{"task":"x"}'

  it.each(['utf-16', 'utf-16le', 'UTF-7', 'iso-8859-1', '"latin1"', 'shift_jis', ''])(
    'is 415: charset %j',
    async (charset) => {
      expectProblem(await post(body, { 'content-type': `application/json; charset=${charset}` }), unsupported)
    },
  )

  it.each(['utf-8', 'UTF-8', 'utf8', '"utf-8"'])('is taken: charset %j', async (charset) => {
    expect((await post(body, { 'content-type': `application/json;charset=${charset}` })).statusCode).toBe(200)
  })

  it('is refused when it only says that it is JSON', async () => {
    expectProblem(await post(Buffer.from(body, 'utf16le')), { ...REFUSED, instance: RUN_URL })
  })

  it.each(['gzip', 'br', 'deflate', 'identity, gzip', 'nonsense'])(
    'is 415 when it is compressed: %s',
    async (coding) => {
      const response: LightMyRequestResponse = await post(gzipSync(body), { 'content-encoding': coding })
      expectProblem(response, unsupported)
    },
  )
})

describe('an empty body that is said to be JSON', () => {
  it('is no body, on every route that needs none', async () => {
    const { id: schedule } = (await post(SCHEDULE, {}, '/v1/schedules')).json()
    const { id: run } = (await post('{"task":"x"}')).json()
    const key = (await post('{"name":"old"}', {}, '/v1/api-keys')).json().id
    const statuses: [string, 'POST' | 'DELETE', number][] = [
      [`/v1/schedules/${schedule}/pause`, 'POST', 200],
      [`/v1/schedules/${schedule}/resume`, 'POST', 200],
      [`/v1/schedules/${schedule}/trigger`, 'POST', 202],
      [`/v1/schedules/${schedule}`, 'DELETE', 204],
      [`/v1/runs/${run}/cancel`, 'POST', 409],
      [`/v1/api-keys/${key}`, 'DELETE', 204],
    ]
    for (const [url, method, status] of statuses) {
      const response = await user.request({ method, url, headers: JSON_TYPE })
      expect([url, response.statusCode]).toEqual([url, status])
    }
  })

  it('is no body over the network: with a length of 0, in no chunks, and signing out', async () => {
    const leaver = await TestUser.register(app)
    const base = await app.listen()
    const headers = { ...JSON_TYPE, authorization: `Bearer ${leaver.accessToken}` }
    const chunks = new ReadableStream({ start: (controller) => controller.close() })
    const pause = (init: RequestInit) => fetch(`${base}/v1/schedules/none/pause`, { method: 'POST', headers, ...init })
    expect((await pause({})).status).toBe(404)
    expect((await pause({ body: chunks, duplex: 'half' })).status).toBe(404)
    expect((await fetch(`${base}/v1/auth/logout-all`, { method: 'POST', headers })).status).toBe(204)
  })

  it('is a body that is missing where one is needed', async () => {
    expectProblem(await post(''), { ...REFUSED, instance: RUN_URL, pointers: [''] })
  })

  it('is 415 when it is said to be something else', async () => {
    const response = await user.request({ method: 'POST', url: RUN_URL, headers: { 'content-type': 'text/plain' } })
    expectProblem(response, { status: 415, code: 'unsupported_media_type' })
  })
})

describe('a body for a route that takes none', () => {
  let url: string

  beforeAll(async () => {
    const { id } = (await post(SCHEDULE, {}, '/v1/schedules')).json()
    url = `/v1/schedules/${id}`
  })

  it.each([
    ['its keys', '{"foo":1,"a/b":null}', ['/foo', '/a~1b']],
    ['it all, a list', '[1]', ['']],
    ['it all, an empty list', '[]', ['']],
    ['it all, a text', '"now"', ['']],
    ['it all, no', 'false', ['']],
  ])('is refused before anything happens, by %s', async (_, payload, pointers) => {
    const headers = { 'idempotency-key': 'once' }
    expectProblem(await post(payload, headers, `${url}/trigger`), { ...REFUSED, pointers })
    expect((await user.request({ url: `${url}/executions` })).json().data).toEqual([])
    const response = await user.request({ method: 'DELETE', url, payload, headers: JSON_TYPE })
    expectProblem(response, { ...REFUSED, instance: url, pointers })
    expect((await user.request({ url })).statusCode).toBe(200)
  })

  it('names unknown keys as every other route does', async () => {
    const { errors } = (await post('{"foo":1}', {}, `${url}/pause`)).json()
    expect(errors).toEqual([{ pointer: '/foo', detail: 'Unknown field.' }])
  })

  it('is not looked at for who may not call the route', async () => {
    const response = await app.inject({ method: 'POST', url: `${url}/pause`, payload: { foo: 1 } })
    expectProblem(response, { status: 401, code: 'unauthenticated' })
  })

  it.each(['{}', 'null'])('means nothing: %s', async (payload) => {
    expect((await post(payload, {}, `${url}/pause`)).statusCode).toBe(200)
  })

  it.each([
    ['malformed', '{"foo":', REFUSED],
    ['poisoned', '{"__proto__":{}}', REFUSED],
    ['too large', `{"a":"${'a'.repeat(256 * 1024)}"}`, { status: 413, code: 'payload_too_large' }],
  ])('is still refused when it is %s', async (_, payload, { status, code }) => {
    expectProblem(await post(payload, {}, `${url}/pause`), { status, code, instance: `${url}/pause` })
  })
})

describe('null in a body', () => {
  it('is the same as absent in what is new', async () => {
    const optional = { context: null, model: null, knowledge: null, outputSchema: null, cache: null, metadata: null }
    const run = await user.run({ task: 'x', ...optional, limits: { maxSteps: null, maxTokens: 500 } })
    expect([run.statusCode, run.json().metadata]).toEqual([200, {}])
    const schedule = await post(
      JSON.stringify({ ...JSON.parse(SCHEDULE), timezone: null, active: null, input: { cache: null, limits: null } }),
      {},
      '/v1/schedules',
    )
    expect(schedule.json()).toMatchObject({ timezone: 'UTC', active: true, input: {} })
    expect(Object.keys(schedule.json().input)).toEqual([])
  })

  it('is the same as absent in what is wholly replaced', async () => {
    const payload = {
      inputUsdPerMillion: '1',
      outputUsdPerMillion: '2',
      reasoningUsdPerMillion: null,
      effectiveFrom: null,
    }
    const response = await user.request({ method: 'PUT', url: '/v1/costs/prices/house/model', payload })
    expect([response.statusCode, response.json().reasoningUsdPerMillion]).toEqual([200, '2'])
  })

  it('is the same as absent for a whole body that may be', async () => {
    const webhook = await post('{"url":"https://hooks.example/a","events":["*"]}', {}, '/v1/webhooks')
    expect(webhook.statusCode).toBe(201)
    const response = await post('null', {}, `/v1/webhooks/${webhook.json().id}/rotate-secret`)
    expect(response.statusCode).toBe(200)
  })

  it.each([
    ['a field that is needed', '{"task":null}', ['/task']],
    ['an unknown field', '{"task":"x","colour":null}', ['/colour']],
    ['a pair of metadata', '{"task":"x","metadata":{"a":null}}', ['/metadata/a']],
    ['an item of a list', '{"task":"x","knowledge":{"collections":[null]}}', ['/knowledge/collections/0']],
  ])('is refused for %s', async (_, payload, pointers) => {
    expectProblem(await post(payload), { ...REFUSED, pointers })
  })

  it('is refused in a change for what cannot be cleared', async () => {
    const { id } = (await post(SCHEDULE, {}, '/v1/schedules')).json()
    const response = await user.request({ method: 'PATCH', url: `/v1/schedules/${id}`, payload: { timezone: null } })
    expectProblem(response, { ...REFUSED, pointers: ['/timezone'] })
  })
})
