import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { createAgent, MINIMAL_AGENT, updateAgent } from '../support/own-agent.js'
import { expectProblem } from '../support/problem.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'

const TIMESTAMP = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)

let app: TestApp
let user: TestUser

beforeAll(async () => {
  app = await TestApp.start()
  user = await TestUser.register(app)
  await createAgent(user, { instructions: 'First.' })
  await updateAgent(user, { instructions: 'Second.' })
  await updateAgent(user, { name: 'Third', limits: { maxSteps: 3 } })
})
afterAll(async () => app[Symbol.asyncDispose]())

const get = (path: string) => user.request({ url: `/v1/agents/${path}` })

describe('the versions of an agent', () => {
  it('are listed newest first, with who published them and without what is long', async () => {
    const { data, nextCursor } = (await get('translator/versions')).json()
    const rest = { description: '', capabilities: [], createdAt: TIMESTAMP, createdBy: user.userId }
    expect(data).toEqual([
      { version: 3, name: 'Third', ...rest },
      { version: 2, name: 'Translator', ...rest },
      { version: 1, name: 'Translator', ...rest },
    ])
    expect(nextCursor).toBeNull()
  })

  it('come in pages that newer versions do not move', async () => {
    await createAgent(user, { slug: 'paged' })
    for (const name of ['b', 'c', 'd']) await updateAgent(user, { name }, 'paged')
    const first = await get('paged/versions?limit=2')
    await updateAgent(user, { name: 'e' }, 'paged')
    const next = /^<([^>]+)>; rel="next"$/.exec(String(first.headers['link']))?.[1]
    const second = (await user.request({ url: String(next) })).json()
    const versionsOf = ({ data }: { data: { version: number }[] }) => data.map(({ version }) => version)
    expect([versionsOf(first.json()), versionsOf(second)]).toEqual([
      [4, 3],
      [2, 1],
    ])
    expect(second.nextCursor).toBeNull()
  })

  it('are each what was published, for good', async () => {
    const publication = { createdAt: TIMESTAMP, createdBy: user.userId }
    const first = (await get('translator/versions/1')).json()
    expect(first).toEqual({
      ...MINIMAL_AGENT,
      instructions: 'First.',
      version: 1,
      builtIn: false,
      description: '',
      capabilities: [],
      outputSchema: null,
      model: null,
      fallbackModels: null,
      tools: [],
      delegates: [],
      requireApproval: false,
      limits: null,
      ...publication,
    })
    const current = (await get('translator')).json()
    expect((await get('translator/versions/3')).json()).toEqual({ ...current, ...publication })
  })

  it.each(['4', '0', '-1', '01', '1.0', 'x', '999999999999', '%00'])('are not %s', async (version) => {
    expectProblem(await get(`translator/versions/${version}`), { status: 404, code: 'not_found' })
  })

  it('are one of a built-in agent, which nobody published', async () => {
    const { data } = (await get('overseer/versions')).json()
    expect(data).toEqual([expect.objectContaining({ version: 2, createdAt: null, createdBy: null })])
    const current = (await get('overseer')).json()
    const version = (await get('overseer/versions/2')).json()
    expect(version).toEqual({ ...current, createdAt: null, createdBy: null })
    expect((await get('overseer/versions/1')).statusCode).toBe(404)
  })

  it.each(['limit=0', 'cursor=x', 'cursor=MA'])('refuse ?%s', async (query) => {
    expectProblem(await get(`translator/versions?${query}`), {
      status: 400,
      code: 'validation_failed',
      pointers: [`/${query.split('=')[0]}`],
    })
  })
})
