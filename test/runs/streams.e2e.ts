import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { RunFeed } from '../../src/modules/runs/streaming/run-feed.service.js'
import { RunStreams } from '../../src/modules/runs/streaming/run-streams.service.js'
import { MAX_UNSENT_BYTES } from '../../src/modules/runs/streaming/sse-connection.js'
import { EventLog } from '../support/event-log.js'
import { EventReader } from '../support/event-reader.js'
import { forge, takeApart } from '../support/jwt.js'
import { expectProblem } from '../support/problem.js'
import { plantApiKey } from '../support/planted-api-key.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'

const HEARTBEAT_MS = 250
const MIB = 1024 * 1024

let app: TestApp
let second: TestApp
let baseUrl: string
let secondUrl: string
let user: TestUser
let log: EventLog

beforeAll(async () => {
  const env = { RUN_STREAM_HEARTBEAT_MS: String(HEARTBEAT_MS), RUN_STREAMS_MAX: '600' }
  app = await TestApp.start({ env })
  second = await TestApp.start({ env, database: app.database })
  baseUrl = await app.listen()
  secondUrl = await second.listen()
})
afterAll(async () => {
  await second?.[Symbol.asyncDispose]()
  await app?.[Symbol.asyncDispose]()
})
beforeEach(async () => {
  user = await TestUser.register(app)
  log = await EventLog.begin(app, user)
})

function follow(options: { lastEventId?: number | string; at?: string; token?: string } = {}): Promise<EventReader> {
  const { at = baseUrl, token = user.accessToken, ...rest } = options
  return EventReader.open(`${at}/v1/runs/${log.runId}/events`, { token, ...rest })
}

const publish = (texts: readonly string[]): void => app.nest.get(RunFeed).publish(log.runId, log.live(texts))
const streamsOf = (replica: TestApp): RunStreams => replica.nest.get(RunStreams)

async function until(isMet: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000
  while (!isMet()) {
    if (Date.now() > deadline) throw new Error('waited in vain')
    await sleep(10)
  }
}

async function storeWholeRun(): Promise<void> {
  await log.store([{ type: 'run.started' }, { type: 'step.started', data: { position: 1 } }])
  await log.store([{ texts: ['To ', 'be, ', 'or '] }])
  await log.store([{ texts: ['not '] }, { texts: ['to ', 'be.'] }])
  await log.store([{ type: 'step.finished', data: { position: 1 } }, { type: 'run.completed' }])
}

describe('a finished run', () => {
  it('is replayed from its first event, each with its number and its type, and ends with the whole run', async () => {
    await storeWholeRun()
    await using reader = await follow()
    expect(await reader.ended).toEqual({ whole: true })
    expect(reader.events.map(({ id, type }) => `${id} ${type}`)).toEqual([
      '1 run.started',
      '2 step.started',
      ...[3, 4, 5, 6, 7, 8].map((id) => `${id} output.delta`),
      '9 step.finished',
      '10 run.completed',
    ])
    expect(reader.events[2]?.data).toEqual({ text: 'To ' })
    expect([reader.text, reader.retryMs]).toEqual(['To be, or not to be.', 1000])
    const run = (await user.request({ url: `/v1/runs/${log.runId}` })).json()
    expect(reader.events.at(-1)?.data).toEqual({ run })
  })

  it('goes on after any number, on either replica, in the middle of pieces that were stored together, too', async () => {
    await storeWholeRun()
    for (let after = 0; after <= 9; after += 1) {
      await using reader = await follow({ lastEventId: after, at: after % 2 === 0 ? baseUrl : secondUrl })
      expect(await reader.ended).toEqual({ whole: true })
      expect(reader.ids).toEqual(Array.from({ length: 10 - after }, (_, index) => after + 1 + index))
    }
  })

  it('tells who has it all not to come back', async () => {
    await storeWholeRun()
    for (const lastEventId of [10, 11, '9007199254740991']) {
      await using reader = await follow({ lastEventId })
      expect([reader.response.status, await reader.ended, reader.events]).toEqual([204, { whole: true }, []])
    }
  })

  it('of before there was a log ends with how it ended', async () => {
    const ran = await TestUser.register(app)
    const { runId } = await EventLog.begin(app, ran)
    await app.sql(`UPDATE runs SET status = 'failed', error_code = 'internal', finished_at = now() WHERE id = $1`, [
      runId,
    ])
    const url = `${baseUrl}/v1/runs/${runId}/events`
    await using reader = await EventReader.open(url, { token: ran.accessToken })
    await reader.ended
    expect(reader.events).toMatchObject([{ id: 1, type: 'run.failed', data: { run: { id: runId, status: 'failed' } } }])
    await using again = await EventReader.open(url, { token: ran.accessToken, lastEventId: 1 })
    expect(again.response.status).toBe(204)
  })

  it('of more rows than one read takes comes whole', async () => {
    await log.store(Array.from({ length: 450 }, (_, index) => ({ texts: [`${index},`, ';'] })))
    await log.store([{ type: 'run.completed' }])
    await using reader = await follow()
    await reader.ended
    expect(reader.ids).toEqual(Array.from({ length: 901 }, (_, index) => index + 1))
  })
})

describe('a run that goes on', () => {
  it('is followed on a replica that hears of it by notification alone', async () => {
    await using here = await follow()
    await using there = await follow({ at: secondUrl })
    await storeWholeRun()
    await Promise.all([here.ended, there.ended])
    expect(here.ids).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    expect(there.events).toEqual(here.events)
  })

  it('is heard live before it is stored, and not again afterwards', async () => {
    await using here = await follow()
    await using there = await follow({ at: secondUrl })
    publish(['a', 'b'])
    await here.until(({ ids }) => ids.length === 2)
    expect([here.text, there.ids]).toEqual(['ab', []])
    await log.store([{ texts: ['a', 'b'] }])
    await there.until(({ ids }) => ids.length === 2)
    publish(['c'])
    await here.until(({ ids }) => ids.length === 3)
    await log.store([{ texts: ['c'] }, { type: 'run.completed' }])
    await Promise.all([here.ended, there.ended])
    expect(here.ids).toEqual([1, 2, 3, 4])
    expect(there.events).toEqual(here.events)
  })

  it('is joined in the middle of what is not stored yet, without loss', async () => {
    await log.store([{ type: 'run.started' }])
    publish(['lost ', 'to '])
    await using reader = await follow()
    await reader.until(({ ids }) => ids.length === 1)
    app.nest.get(RunFeed).publish(log.runId, log.live(['lost ', 'to ', 'nobody']).slice(2))
    await sleep(50)
    expect(reader.ids).toEqual([1])
    await log.store([{ texts: ['lost ', 'to '] }], { quietly: true })
    await reader.until(({ ids }) => ids.length === 4)
    expect([reader.ids, reader.text]).toEqual([[1, 2, 3, 4], 'lost to nobody'])
  })

  it('goes on behind the numbers that a killed worker took with it', async () => {
    await log.store([{ type: 'run.started' }])
    await using reader = await follow()
    publish(['never ', 'stored'])
    await reader.until(({ ids }) => ids.length === 3)
    log.skip(100)
    await log.store([{ texts: ['again'] }])
    await reader.until(({ ids }) => ids.length === 4)
    publish(['.'])
    await reader.until(({ ids }) => ids.length === 5)
    expect(reader.ids).toEqual([1, 2, 3, 102, 103])
  })

  it('is looked at now and then, in case a notification was lost', async () => {
    await using reader = await follow()
    await log.store([{ type: 'run.started' }, { type: 'run.completed' }], { quietly: true })
    await reader.ended
    expect(reader.ids).toEqual([1, 2])
  })

  it('keeps a reader waiting who names a number that is still to come', async () => {
    await using reader = await follow({ lastEventId: 2 })
    await log.store([{ type: 'run.started' }, { type: 'step.started' }, { type: 'step.finished' }])
    await reader.until(({ ids }) => ids.length === 1)
    expect(reader.ids).toEqual([3])
  })

  it('shows a sign of life when nothing happens', async () => {
    await using reader = await follow()
    await until(() => reader.comments.length >= 2)
    expect(reader.events).toEqual([])
  })
})

describe('the answer', () => {
  it('has the headers of a stream that nobody may hold back or keep, and those of every answer', async () => {
    await using reader = await follow()
    expect(Object.fromEntries(reader.response.headers)).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'private, no-cache, no-transform',
      'x-accel-buffering': 'no',
      'x-content-type-options': 'nosniff',
      'x-request-id': expect.any(String),
      'ratelimit-policy': expect.any(String),
    })
    expect(reader.response.headers.get('content-encoding')).toBeNull()
  })

  it('to HEAD is the headers alone', async () => {
    const response = await user.request({ method: 'HEAD', url: `/v1/runs/${log.runId}/events` })
    expect([response.statusCode, response.headers['content-type'], response.body]).toEqual([
      200,
      'text/event-stream; charset=utf-8',
      '',
    ])
    expect(streamsOf(app).openCount).toBe(0)
  })

  it.each(['x', '-1', '1.5', '1e3', '99999999999999999'])('to the Last-Event-ID %s is 400', async (id) => {
    const headers = { 'last-event-id': id }
    const response = await user.request({ url: `/v1/runs/${log.runId}/events`, headers })
    expectProblem(response, { status: 400, code: 'validation_failed', pointers: ['/headers/last-event-id'] })
  })

  it('is 404 for a run that is not there, no id at all, or of another tenant', async () => {
    const stranger = await TestUser.register(app)
    for (const [who, id] of [
      [user, '01890000-0000-7000-8000-000000000000'],
      [user, 'nonsense'],
      [stranger, log.runId],
    ] as const) {
      expectProblem(await who.request({ url: `/v1/runs/${id}/events` }), { status: 404, code: 'not_found' })
    }
    expect(streamsOf(app).openCount).toBe(0)
  })

  it('is 401 without a credential and 403 without the permission', async () => {
    const url = `/v1/runs/${log.runId}/events`
    expectProblem(await app.inject({ url }), { status: 401, code: 'unauthenticated' })
    const key = await plantApiKey(app, user, ['agents:read'])
    expectProblem(await app.inject({ url, headers: { 'x-api-key': key } }), { status: 403, code: 'forbidden' })
  })
})

describe('a reader who may read no more', () => {
  it('is cut off when he has signed out', async () => {
    await using reader = await follow()
    await user.request({ method: 'POST', url: '/v1/auth/logout', payload: { refreshToken: user.refreshToken } })
    expect(await reader.ended).toEqual({ whole: true })
    expect(streamsOf(app).openCount).toBe(0)
  })

  it('is cut off when his access token has expired', async () => {
    const { header, claims } = takeApart(user.accessToken)
    const token = forge({ header, claims: { ...claims, exp: Math.ceil(Date.now() / 1000) + 1 } })
    await using reader = await follow({ token })
    expect(reader.response.status).toBe(200)
    expect(await reader.ended).toEqual({ whole: true })
    await using again = await follow({ token })
    expect(again.response.status).toBe(401)
  })

  it('is cut off when his key is gone, and nobody else is', async () => {
    const key = await plantApiKey(app, user, ['runs:read'])
    await using byKey = await follow({ token: key })
    await using bySession = await follow()
    await log.store([{ type: 'run.started' }])
    await Promise.all([byKey, bySession].map((reader) => reader.until(({ ids }) => ids.length === 1)))
    const [{ id }] = (await user.request({ url: '/v1/api-keys' })).json().data
    await user.request({ method: 'DELETE', url: `/v1/api-keys/${id}` })
    expect(await byKey.ended).toEqual({ whole: true })
    await log.store([{ type: 'step.started' }])
    await bySession.until(({ ids }) => ids.length === 2)
  })
})

/** A client who asks for the stream and then reads nothing, and our end of his connection. */
async function openWithoutReading(): Promise<{ client: Socket; ours: Socket }> {
  const { hostname, port } = new URL(baseUrl)
  const accepted = once(app.nest.getHttpServer(), 'connection')
  const client = connect({ host: hostname, port: Number(port) })
  client.on('error', () => undefined)
  client.pause()
  client.write(
    `GET /v1/runs/${log.runId}/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${user.accessToken}\r\n\r\n`,
  )
  const [ours] = (await accepted) as [Socket]
  await until(() => streamsOf(app).openCount === 2)
  return { client, ours }
}

describe('a reader who does not read', () => {
  it('is dropped, costs a bounded piece of memory, holds up nobody, and can resume', async () => {
    await using fast = await follow()
    const { client, ours } = await openWithoutReading()
    const piece = 'x'.repeat(MIB / 4)
    let mostUnsentBytes = 0
    for (let index = 1; index <= 200; index += 1) {
      publish([piece])
      log.skip(1)
      await fast.until(({ ids }) => ids.length === index)
      mostUnsentBytes = Math.max(mostUnsentBytes, ours.writableLength)
    }
    // He was full, and no more than one event went on top of that.
    expect(mostUnsentBytes).toBeGreaterThan(MAX_UNSENT_BYTES)
    expect(mostUnsentBytes).toBeLessThan(MAX_UNSENT_BYTES + piece.length + 1024)
    await until(() => streamsOf(app).openCount === 1)
    expect(ours.destroyed).toBe(true)
    await log.store([{ type: 'run.completed' }])
    await fast.ended
    expect(fast.ids).toEqual(Array.from({ length: 201 }, (_, index) => index + 1))
    client.destroy()
    await using resumed = await follow({ lastEventId: 200 })
    await resumed.ended
    expect(resumed.ids).toEqual([201])
  })

  it('all the time is given a log that is larger than what may pile up, at his pace', async () => {
    const pieces = Array.from({ length: 40 }, (_, index) => ({ texts: [String(index).padStart(MIB / 4, ' ')] }))
    for (let start = 0; start < 40; start += 10) await log.store(pieces.slice(start, start + 10))
    await log.store([{ type: 'run.completed' }])
    await using reader = await follow()
    expect(await reader.ended).toEqual({ whole: true })
    expect(reader.ids).toEqual(Array.from({ length: 41 }, (_, index) => index + 1))
  })
})

describe('many readers', () => {
  it('hear the same, five hundred at once', async () => {
    const readers = await Promise.all(Array.from({ length: 500 }, () => follow()))
    expect(streamsOf(app).openCount).toBe(500)
    publish(['all '])
    await Promise.all(readers.map((reader) => reader.until(({ ids }) => ids.length === 1)))
    await log.store([{ texts: ['all ', 'of you'] }, { type: 'run.completed' }])
    await Promise.all(readers.map(({ ended }) => ended))
    expect(new Set(readers.map(({ text }) => text))).toEqual(new Set(['all of you']))
    expect(new Set(readers.map(({ ids }) => ids.join()))).toEqual(new Set(['1,2,3']))
    expect(streamsOf(app).openCount).toBe(0)
  })

  it('above the limit are told to come back, and there is room again once one has left', async () => {
    await using small = await TestApp.start({ database: app.database, env: { RUN_STREAMS_MAX: '1' } })
    const at = await small.listen()
    const only = await follow({ at })
    const headers = { authorization: `Bearer ${user.accessToken}` }
    const refused = await small.inject({ url: `/v1/runs/${log.runId}/events`, headers })
    expectProblem(refused, { status: 503, code: 'unavailable' })
    expect(refused.headers['retry-after']).toBe('2')
    await only[Symbol.asyncDispose]()
    await until(() => streamsOf(small).openCount === 0)
    await using next = await follow({ at })
    expect(next.response.status).toBe(200)
  })
})

describe('one team', () => {
  it('has no more streams than are its own, and others have theirs', async () => {
    await using small = await TestApp.start({ database: app.database, env: { RUN_TENANT_STREAMS_MAX: '1' } })
    const at = await small.listen()
    const only = await follow({ at })
    const headers = { authorization: `Bearer ${user.accessToken}` }
    const refused = await small.inject({ url: `/v1/runs/${log.runId}/events`, headers })
    expectProblem(refused, { status: 429, code: 'rate_limited' })
    expect(refused.headers['retry-after']).toBe('2')
    const started = await small.inject({
      method: 'POST',
      url: '/v1/agents/developer/run',
      headers: { ...headers, accept: 'text/event-stream' },
      payload: { task: 'Go.' },
    })
    expectProblem(started, { status: 429, code: 'rate_limited' })
    expect(await app.sql('SELECT 1 FROM runs WHERE tenant_id = $1', [user.tenantId])).toHaveLength(1)
    const other = await TestUser.register(app)
    const otherLog = await EventLog.begin(app, other)
    await using theirs = await EventReader.open(`${at}/v1/runs/${otherLog.runId}/events`, { token: other.accessToken })
    expect(theirs.response.status).toBe(200)
    await only[Symbol.asyncDispose]()
    await until(() => streamsOf(small).openCount === 1)
    await using next = await follow({ at })
    expect(next.response.status).toBe(200)
  })
})

describe('an event that cannot be sent', () => {
  it('ends the streams that it was for, and is no trouble to who publishes it', async () => {
    await using reader = await follow()
    const [event] = log.live(['x'])
    const heard: unknown[] = []
    using _ = app.nest.get(RunFeed).subscribe(log.runId, (events) => heard.push(events))
    app.nest.get(RunFeed).publish(log.runId, [{ ...event!, data: { text: 1n } }])
    expect(heard).toHaveLength(1)
    expect(await reader.ended).toEqual({ whole: true })
    expect([reader.ids, streamsOf(app).openCount]).toEqual([[], 0])
  })

  it('does not keep the other followers from hearing of it, nor the run from going on', () => {
    const feed = app.nest.get(RunFeed)
    using _first = feed.subscribe(log.runId, () => {
      throw new Error('a mistake of ours')
    })
    const heard: unknown[] = []
    using _second = feed.subscribe(log.runId, (events) => heard.push(events))
    publish(['x'])
    expect(heard).toHaveLength(1)
  })
})

describe('a replica that stops', () => {
  it('answers whoever is just being let in with a stream that ends, or a problem', async () => {
    await using stopping = await TestApp.start({ database: app.database })
    const headers = { authorization: `Bearer ${user.accessToken}` }
    const answers = Array.from({ length: 40 }, async (_, index) => {
      await sleep(index)
      return stopping.inject({ url: `/v1/runs/${log.runId}/events`, headers })
    })
    await until(() => streamsOf(stopping).openCount > 0)
    await sleep(20)
    streamsOf(stopping).onModuleDestroy()
    const kinds = (await Promise.all(answers)).map(
      ({ statusCode, headers: { 'content-type': type } }) => `${statusCode} ${type}`,
    )
    const streamed = '200 text/event-stream; charset=utf-8'
    const refused = '503 application/problem+json'
    expect(new Set(kinds)).toEqual(new Set([streamed, refused]))
  })

  it('ends its streams at once, and another goes on with them', async () => {
    const stopping = await TestApp.start({ database: app.database })
    await using reader = await follow({ at: await stopping.listen() })
    await log.store([{ type: 'run.started' }])
    await reader.until(({ ids }) => ids.length === 1)
    const startedAt = Date.now()
    await Promise.all([stopping[Symbol.asyncDispose](), reader.ended])
    expect(Date.now() - startedAt).toBeLessThan(4000)
    await log.store([{ type: 'run.completed' }])
    await using next = await follow({ lastEventId: reader.ids.at(-1)! })
    await next.ended
    expect([...reader.ids, ...next.ids]).toEqual([1, 2])
  })
})
