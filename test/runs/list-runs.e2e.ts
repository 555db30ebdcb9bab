import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { setTimeout as sleep } from 'node:timers/promises'
import { add as addProject, remove as removeProject } from '../projects/project.js'
import { ModelSimulator } from '../support/model-simulator.js'
import { TestApp } from '../support/test-app.js'
import { withClient } from '../support/test-database.js'
import { TestUser } from '../support/test-user.js'

const SUMMARY_FIELDS = [
  'id',
  'agent',
  'agentVersion',
  'project',
  'status',
  'task',
  'error',
  'model',
  'usage',
  'costUsd',
  'cache',
  'attempt',
  'parentRunId',
  'scheduleId',
  'metadata',
  'createdAt',
  'startedAt',
  'finishedAt',
  'durationMs',
]
const NOBODYS_ID = '0199f0f0-0000-7000-8000-000000000000'

let simulator: ModelSimulator
let app: TestApp

beforeAll(async () => {
  simulator = await ModelSimulator.start()
  app = await TestApp.start({
    env: {
      OPENAI_BASE_URL: simulator.baseUrl,
      OPENAI_API_KEY: 'test',
      DEFAULT_MODEL: 'openai/gpt-4o-mini',
      MODEL_MAX_RETRIES: '0',
    },
  })
})
afterAll(async () => {
  await app?.[Symbol.asyncDispose]()
  await simulator?.stop()
})

async function start(user: TestUser, payload: object, agent = 'developer'): Promise<string> {
  const response = await user.run(payload, { agent })
  expect(response.statusCode).toBe(200)
  return response.json().id
}

async function startMany(user: TestUser, count: number): Promise<string[]> {
  const ids: string[] = []
  for (let index = 0; index < count; index += 1) ids.push(await start(user, { task: `Task ${index}` }))
  return ids
}

function list(user: TestUser, query = '') {
  return user.request({ method: 'GET', url: `/v1/runs${query}` })
}

async function idsOf(user: TestUser, query: string): Promise<string[]> {
  const response = await list(user, query)
  expect(response.statusCode).toBe(200)
  return response.json().data.map(({ id }: { id: string }) => id)
}

async function countOf(user: TestUser, query: string): Promise<number> {
  const response = await user.request({ method: 'GET', url: `/v1/runs/count${query}` })
  expect(response.statusCode).toBe(200)
  expect(Object.keys(response.json())).toEqual(['count'])
  return response.json().count
}

function nextPath(link: unknown): string {
  const [, path] = /^<([^>]+)>; rel="next"$/.exec(String(link)) ?? []
  if (!path) throw new Error(`not a link to a next page: ${String(link)}`)
  return path
}

describe('the list of runs', () => {
  it('is empty for a new tenant', async () => {
    const user = await TestUser.register(app)
    const response = await list(user)
    expect(response.statusCode).toBe(200)
    expect(response.json()).toEqual({ data: [], nextCursor: null })
    expect(response.headers).not.toHaveProperty('link')
    expect(await countOf(user, '')).toBe(0)
  })

  it('is newest first and slim: everything of a run but its output', async () => {
    const user = await TestUser.register(app)
    const ids = await startMany(user, 3)
    const { data, nextCursor } = (await list(user)).json()
    expect(data.map(({ id }: { id: string }) => id)).toEqual(ids.toReversed())
    expect(nextCursor).toBeNull()
    for (const run of data) expect(Object.keys(run).sort()).toEqual(SUMMARY_FIELDS.toSorted())
    const { output, ...whole } = (await user.request({ method: 'GET', url: `/v1/runs/${ids[2]}` })).json()
    expect(output.text).toBe('Simulated answer to: Task 2')
    expect(data[0]).toEqual(whole)
  })

  it('is paged without loss or repeat while runs are added', async () => {
    const user = await TestUser.register(app)
    const ids = await startMany(user, 7)
    const seen: string[] = []
    let path = '/v1/runs?limit=3&agent=developer'
    for (const expectedLength of [3, 3, 1]) {
      const response = await user.request({ method: 'GET', url: path })
      const { data, nextCursor } = response.json()
      expect(data).toHaveLength(expectedLength)
      seen.push(...data.map(({ id }: { id: string }) => id))
      await start(user, { task: 'Another one' })
      expect(response.headers['link'] === undefined).toBe(nextCursor === null)
      if (nextCursor !== null) path = nextPath(response.headers['link'])
      // The other parameters are kept, so the link can be followed as it is.
      expect(path).toMatch(/^\/v1\/runs\?.*limit=3.*agent=developer/)
    }
    expect(seen).toEqual(ids.toReversed())
  })

  it('has a page of 20 unless asked for another, and no next page when the last one is full', async () => {
    const user = await TestUser.register(app)
    await startMany(user, 21)
    expect(await idsOf(user, '')).toHaveLength(20)
    expect(await idsOf(user, '?limit=1')).toHaveLength(1)
    const full = (await list(user, '?limit=21')).json()
    expect(full.data).toHaveLength(21)
    expect(full.nextCursor).toBeNull()
  })

  it.each([
    ['a limit of 0', '?limit=0', '/limit'],
    ['a limit of 101', '?limit=101', '/limit'],
    ['a limit that is no number', '?limit=many', '/limit'],
    ['a cursor that is none', '?cursor=abc', '/cursor'],
    ['a cursor of another list', `?cursor=${Buffer.from('developer').toString('base64url')}`, '/cursor'],
    ['a cursor in another spelling', `?cursor=${Buffer.from(NOBODYS_ID).toString('base64url')}=`, '/cursor'],
    ['a status that there is not', '?status=done', '/status'],
    ['two agents', '?agent=developer&agent=designer', '/agent'],
    ['an agent with a null character', '?agent=a%00', '/agent'],
    ['a project with a null character', '?project=%00', '/project'],
    ['a parent that is no id', '?parentRunId=7', '/parentRunId'],
    ['a time without an offset', '?from=2026-01-01T00:00:00', '/from'],
    ['a day that there is not', '?to=2026-02-30T00:00:00Z', '/to'],
    ['an unknown parameter', '?agents=developer', '/agents'],
  ])('refuses %s', async (_what, query, pointer) => {
    const user = await TestUser.register(app)
    const response = await list(user, query)
    expect(response.statusCode).toBe(400)
    expect(response.json()).toMatchObject({ code: 'validation_failed', errors: [{ pointer }] })
  })

  it.each(['0000-01-01T00:00:00Z', '2026-01-01T00:00:00%2B23:00', '2026-01-01T00:00:00.123456789123456789Z'])(
    'takes %s for a time',
    async (from) => {
      const user = await TestUser.register(app)
      expect((await list(user, `?from=${from}`)).statusCode).toBe(200)
      expect(await countOf(user, `?from=${from}`)).toBe(0)
    },
  )
})

describe('the filters', () => {
  let user: TestUser
  let tester: string
  let failed: string
  let child: string
  let inProject: string
  let waiting: string

  beforeAll(async () => {
    user = await TestUser.register(app)
    await addProject(user)
    tester = await start(user, { task: 'Test it' }, 'qa-tester')
    simulator.next({ failure: { status: 500 } })
    failed = await start(user, { task: 'Fail' })
    inProject = await start(user, { task: 'In a project', project: 'website' })
    child = await start(user, { task: 'Be a child' })
    simulator.next({ latencyMs: 60_000 })
    waiting = (await user.run({ task: 'Wait' }, { prefer: 'respond-async' })).json().id
    await simulator.received(5)
    await withClient(app.database.url, async (client) => {
      await client.query('UPDATE runs SET parent_run_id = $1 WHERE id = $2', [tester, child])
      // Created on days of their own, as far as the filters can see.
      await client.query(`UPDATE runs SET created_at = '2026-03-01T12:00:00Z' WHERE id = $1`, [tester])
      await client.query(`UPDATE runs SET created_at = '2026-03-02T12:00:00Z' WHERE id = $1`, [failed])
    })
  })

  const expected = (): [string, string[]][] => [
    ['', [waiting, child, inProject, failed, tester]],
    ['?agent=qa-tester', [tester]],
    ['?agent=nobody', []],
    ['?status=failed', [failed]],
    ['?status=running', [waiting]],
    ['?status=completed', [child, inProject, tester]],
    ['?project=website', [inProject]],
    ['?project=elsewhere', []],
    [`?parentRunId=${tester}`, [child]],
    [`?parentRunId=${NOBODYS_ID}`, []],
    ['?from=2026-03-02T12:00:00Z&to=2026-03-02T12:00:00.001Z', [failed]],
    ['?to=2026-03-02T12:00:00Z', [tester]],
    ['?to=2026-03-02T13:00:00%2B01:00', [tester]],
    ['?from=2026-03-01T12:00:00Z&to=2026-03-03T00:00:00Z&agent=developer', [failed]],
    ['?agent=developer&status=completed', [child, inProject]],
  ]

  it('give the runs that match, alone and together, and count agrees', async () => {
    for (const [query, ids] of expected()) {
      expect([query, await idsOf(user, query)]).toEqual([query, ids])
      expect([query, await countOf(user, query)]).toEqual([query, ids.length])
    }
  })

  it('find runs by the slug that a project had before it was deleted, and by one that another has by now', async () => {
    const someone = await TestUser.register(app)
    const runInProject = () => start(someone, { task: 'In a project', project: 'website' })
    const ids: string[] = []
    for (let nth = 0; nth < 3; nth += 1) {
      await addProject(someone)
      ids.unshift(await runInProject())
      ids.unshift(await runInProject())
      await start(someone, { task: 'In none' })
      expect((await removeProject(someone, 'website')).statusCode).toBe(204)
      expect(await idsOf(someone, '?project=website')).toEqual(ids)
      expect(await countOf(someone, '?project=website')).toBe(ids.length)
    }
    expect(await idsOf(someone, '?project=website&agent=nobody')).toEqual([])
    expect(await countOf(someone, '?project=website&agent=nobody')).toBe(0)
    const { data, nextCursor } = (await list(someone, '?project=website&limit=3')).json()
    expect(data).toMatchObject(ids.slice(0, 3).map((id) => ({ id, project: 'website' })))
    expect(await idsOf(someone, `?project=website&limit=3&cursor=${nextCursor}`)).toEqual(ids.slice(3))
  })

  it('show nobody the runs of another tenant', async () => {
    const stranger = await TestUser.register(app)
    for (const [query] of expected()) expect([query, await idsOf(stranger, query)]).toEqual([query, []])
    expect(await countOf(stranger, '')).toBe(0)
  })

  it('refuse paging parameters in a count, which has no pages', async () => {
    const response = await user.request({ method: 'GET', url: '/v1/runs/count?limit=5' })
    expect(response.statusCode).toBe(400)
  })
})

describe("another tenant's", () => {
  it('cursor shows nothing of that tenant', async () => {
    const [owner, other] = [await TestUser.register(app), await TestUser.register(app)]
    const own = await startMany(other, 1)
    await sleep(5)
    await startMany(owner, 2)
    const { nextCursor } = (await list(owner, '?limit=1')).json()
    expect(nextCursor).not.toBeNull()
    expect(await idsOf(other, `?cursor=${nextCursor}`)).toEqual(own)
  })

  it('run is not found, word for word like one that never was and like no id at all', async () => {
    const [owner, other] = [await TestUser.register(app), await TestUser.register(app)]
    const [foreign] = await startMany(owner, 1)
    for (const id of [foreign, NOBODYS_ID, 'no-id', '%00', 'count%20']) {
      const response = await other.request({ method: 'GET', url: `/v1/runs/${id}` })
      expect(response.statusCode).toBe(404)
      expect(response.json()).toMatchObject({ code: 'not_found', detail: 'There is no such run.' })
    }
  })
})
