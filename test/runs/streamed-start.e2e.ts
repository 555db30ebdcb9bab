import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { setTimeout as sleep } from 'node:timers/promises'
import { RunStreams } from '../../src/modules/runs/streaming/run-streams.service.js'
import { eventually } from '../support/eventually.js'
import { EventReader } from '../support/event-reader.js'
import { ModelSimulator } from '../support/model-simulator.js'
import { expectProblem } from '../support/problem.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'

const EVENT_STREAM = { accept: 'text/event-stream' }

let simulator: ModelSimulator
let app: TestApp
let user: TestUser
let baseUrl: string

beforeAll(async () => {
  simulator = await ModelSimulator.start()
  app = await TestApp.start({
    env: { OPENAI_BASE_URL: simulator.baseUrl, OPENAI_API_KEY: 'test', DEFAULT_MODEL: 'openai/gpt-4o-mini' },
  })
  baseUrl = await app.listen()
  user = await TestUser.register(app)
})
afterEach(() => simulator.reset())
afterAll(async () => {
  await app?.[Symbol.asyncDispose]()
  await simulator?.stop()
})

function start({ headers = {}, body = { task: 'Say it.' } }: { headers?: Record<string, string>; body?: object } = {}) {
  const url = `${baseUrl}/v1/agents/developer/run`
  return EventReader.open(url, { token: user.accessToken, method: 'POST', body, headers })
}

const countRuns = async (): Promise<number> => (await user.request({ url: '/v1/runs/count' })).json().count

describe('a run that is started with Accept: text/event-stream', () => {
  it('is followed from its first event to its last, which has the run', async () => {
    simulator.reply('It is said.')
    await using reader = await start()
    const runId = reader.response.headers.get('x-run-id')
    expect(reader.response.status).toBe(200)
    expect(reader.response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
    expect(reader.response.headers.get('location')).toBe(`/v1/runs/${runId}`)
    expect(await reader.ended).toEqual({ whole: true })
    const run = (await user.request({ url: `/v1/runs/${runId}` })).json()
    expect(run.output.text).toBe('It is said.')
    expect([reader.ids[0], reader.events.at(-1)]).toMatchObject([1, { type: 'run.completed', data: { run } }])
  })

  it('goes on without a reader who hangs up', async () => {
    simulator.set({ latencyMs: 300, reply: 'Nobody listens.' })
    const reader = await start()
    const runId = reader.response.headers.get('x-run-id')
    await reader[Symbol.asyncDispose]()
    await using again = await EventReader.open(`${baseUrl}/v1/runs/${runId}/events`, { token: user.accessToken })
    await again.ended
    expect(again.events.at(-1)).toMatchObject({ data: { run: { status: 'completed' } } })
  })

  it('starts once for one Idempotency-Key: who sends it again follows the same run from its start', async () => {
    const before = await countRuns()
    const headers = { 'idempotency-key': 'stream-1' }
    simulator.set({ latencyMs: 300 })
    await using first = await start({ headers })
    // The key is given back a moment after the stream has begun.
    await sleep(100)
    await using whileItRuns = await start({ headers })
    await Promise.all([first.ended, whileItRuns.ended])
    await using afterwards = await start({ headers })
    await afterwards.ended
    const ids = [first, whileItRuns, afterwards].map(({ response }) => response.headers.get('x-run-id'))
    expect([new Set(ids).size, (await countRuns()) - before]).toEqual([1, 1])
    const replayed = [first, whileItRuns, afterwards].map(({ response }) => response.headers.get('idempotent-replayed'))
    expect(replayed).toEqual([null, 'true', 'true'])
    expect(whileItRuns.events).toEqual(first.events)
    expect(afterwards.events).toEqual(first.events)
    expect(simulator.requests).toHaveLength(1)
  })

  it('is the same run for a caller who then asks for JSON with the key', async () => {
    const headers = { 'idempotency-key': 'stream-2' }
    await using reader = await start({ headers })
    await reader.ended
    const payload = { task: 'Say it.' }
    // The key is given back a moment after the stream has begun: until then it is in flight.
    const answer = await eventually(
      () => user.request({ method: 'POST', url: '/v1/agents/developer/run', headers, payload }),
      ({ statusCode }) => statusCode !== 409,
    )
    expect([answer.statusCode, answer.json().id]).toEqual([200, reader.response.headers.get('x-run-id')])
  })

  it('is refused with a problem before anything is sent, and nothing is started', async () => {
    const before = await countRuns()
    const post = (agent: string, payload: object) =>
      user.request({ method: 'POST', url: `/v1/agents/${agent}/run`, headers: EVENT_STREAM, payload })
    expectProblem(await post('developer', {}), { status: 400, code: 'validation_failed', pointers: ['/task'] })
    expectProblem(await post('nobody', { task: 'x' }), { status: 404, code: 'not_found' })
    expect(await countRuns()).toBe(before)
  })

  it('is not started where there is no room for its stream', async () => {
    await using small = await TestApp.start({ database: app.database, env: { RUN_STREAMS_MAX: '1' } })
    simulator.set({ latencyMs: 1000 })
    const url = `${await small.listen()}/v1/agents/developer/run`
    const body = { task: 'Take your time.' }
    await using only = await EventReader.open(url, { token: user.accessToken, method: 'POST', body })
    const before = await countRuns()
    const refused = await small.inject({
      method: 'POST',
      url: '/v1/agents/developer/run',
      headers: { authorization: `Bearer ${user.accessToken}`, ...EVENT_STREAM },
      payload: body,
    })
    expectProblem(refused, { status: 503, code: 'unavailable' })
    expect(await countRuns()).toBe(before)
    await only.ended
  })

  it('leaves nothing behind', async () => {
    await using reader = await start()
    await reader.ended
    expect(app.nest.get(RunStreams).openCount).toBe(0)
  })
})

describe('a run that is started with another Accept', () => {
  it.each(['*/*', 'application/json', 'application/json, text/event-stream;q=0.5'])(
    '%s: is a JSON answer',
    async (accept) => {
      const response = await user.request({
        method: 'POST',
        url: '/v1/agents/developer/run',
        headers: { accept },
        payload: { task: 'Say it.' },
      })
      expect([response.statusCode, response.json().status]).toEqual([200, 'completed'])
    },
  )
})
