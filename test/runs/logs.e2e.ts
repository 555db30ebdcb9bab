import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { EventLog } from '../support/event-log.js'
import { plantApiKey } from '../support/planted-api-key.js'
import { expectProblem } from '../support/problem.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'

const TIMESTAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

let app: TestApp
let user: TestUser
let log: EventLog

beforeAll(async () => {
  app = await TestApp.start()
})
afterAll(() => app[Symbol.asyncDispose]())
beforeEach(async () => {
  user = await TestUser.register(app)
  log = await EventLog.begin(app, user)
})

const getLogs = (query = '') => user.request({ url: `/v1/runs/${log.runId}/logs${query}` })

interface Entry {
  readonly sequence: number
  readonly type: string
  readonly data: Record<string, unknown>
}

async function listLogs(query = ''): Promise<{ data: Entry[]; nextCursor: string | null }> {
  const response = await getLogs(query)
  expect(response.statusCode).toBe(200)
  return response.json()
}

const told = ({ data }: { data: Entry[] }) => data.map(({ sequence, type }) => `${sequence} ${type}`)

describe('the log of a run', () => {
  it('tells what the stream tells, oldest first, pieces of text that were stored together as one', async () => {
    await log.store([{ type: 'run.started' }, { texts: ['To ', 'be, ', 'or '] }, { texts: ['not'] }])
    await log.store([{ type: 'step.finished', data: { position: 1 } }, { type: 'run.completed' }])
    expect(await listLogs()).toEqual({
      data: [
        { sequence: 1, type: 'run.started', data: {}, createdAt: expect.stringMatching(TIMESTAMP) },
        { sequence: 4, type: 'output.delta', data: { text: 'To be, or ' }, createdAt: expect.any(String) },
        { sequence: 5, type: 'output.delta', data: { text: 'not' }, createdAt: expect.any(String) },
        { sequence: 6, type: 'step.finished', data: { position: 1 }, createdAt: expect.any(String) },
        { sequence: 7, type: 'run.completed', data: {}, createdAt: expect.any(String) },
      ],
      nextCursor: null,
    })
  })

  it('comes in pages that a cursor and a link lead through', async () => {
    await log.store(Array.from({ length: 25 }, () => ({ type: 'tool.called' as const })))
    const first = await getLogs()
    expect(first.json().data.map(({ sequence }: Entry) => sequence)).toEqual(
      Array.from({ length: 20 }, (_, index) => index + 1),
    )
    const { nextCursor } = first.json()
    expect(first.headers['link']).toBe(`</v1/runs/${log.runId}/logs?cursor=${nextCursor}>; rel="next"`)
    const second = await listLogs(`?cursor=${nextCursor}`)
    expect([told(second).length, told(second)[0], second.nextCursor]).toEqual([5, '21 tool.called', null])
  })

  it('takes a page of one and of a hundred, and of none less or more', async () => {
    await log.store(Array.from({ length: 101 }, () => ({ type: 'tool.called' as const })))
    expect((await listLogs('?limit=1')).data).toHaveLength(1)
    expect((await listLogs('?limit=100')).data).toHaveLength(100)
    for (const limit of ['0', '101', 'x']) {
      expectProblem(await getLogs(`?limit=${limit}`), { status: 400, code: 'validation_failed', pointers: ['/limit'] })
    }
  })

  it('is polled on after the last entry that one has, without loss or repeat', async () => {
    const heard: string[] = []
    let after = 0
    const poll = async (): Promise<void> => {
      const page = await listLogs(`?after=${after}`)
      heard.push(...told(page))
      after = page.data.at(-1)?.sequence ?? after
    }
    await poll()
    await log.store([{ type: 'run.started' }, { texts: ['a', 'b'] }])
    await poll()
    await poll()
    log.skip(10)
    await log.store([{ texts: ['c'] }, { type: 'run.completed' }])
    await poll()
    expect(heard).toEqual(['1 run.started', '3 output.delta', '14 output.delta', '15 run.completed'])
  })

  it('goes on in the middle of pieces that were stored together', async () => {
    await log.store([{ texts: ['a', 'b', 'c'] }])
    expect((await listLogs('?after=1')).data).toMatchObject([{ sequence: 3, data: { text: 'bc' } }])
    expect((await listLogs('?after=3')).data).toEqual([])
  })

  it('has the end of a run of before there was a log', async () => {
    await app.sql(`UPDATE runs SET status = 'completed', finished_at = now() WHERE id = $1`, [log.runId])
    expect(told(await listLogs())).toEqual(['1 run.completed'])
    expect(told(await listLogs('?after=1'))).toEqual([])
  })

  it.each(['-1', '1.5', 'x', '9007199254740992'])('refuses to go on after %s', async (after) => {
    expectProblem(await getLogs(`?after=${after}`), { status: 400, code: 'validation_failed', pointers: ['/after'] })
  })

  it('refuses a cursor that is none of its own', async () => {
    for (const cursor of [
      'nonsense',
      Buffer.from('-1').toString('base64url'),
      Buffer.from('1 ').toString('base64url'),
    ]) {
      const response = await getLogs(`?cursor=${cursor}`)
      expectProblem(response, { status: 400, code: 'validation_failed', pointers: ['/cursor'] })
    }
  })

  it('is there for nobody else', async () => {
    const url = `/v1/runs/${log.runId}/logs`
    const stranger = await TestUser.register(app)
    expectProblem(await stranger.request({ url }), { status: 404, code: 'not_found' })
    expectProblem(await app.inject({ url }), { status: 401, code: 'unauthenticated' })
    const key = await plantApiKey(app, user, ['agents:read'])
    expectProblem(await app.inject({ url, headers: { 'x-api-key': key } }), { status: 403, code: 'forbidden' })
  })
})
