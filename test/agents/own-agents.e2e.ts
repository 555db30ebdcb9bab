import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { Colleague } from '../support/colleague.js'
import { createAgent, deleteAgent, MINIMAL_AGENT, updateAgent } from '../support/own-agent.js'
import { expectProblem } from '../support/problem.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'

const OFFLINE = 'offline/extractive'
const AT_ONCE = 8
const MAX_AGENTS = 200

let app: TestApp
let user: TestUser

beforeAll(async () => {
  app = await TestApp.start()
})
afterAll(async () => app[Symbol.asyncDispose]())
beforeEach(async () => {
  user = await TestUser.register(app)
})

const get = (slug = MINIMAL_AGENT.slug) => user.request({ url: `/v1/agents/${slug}` })
const slugsOf = (response: { json(): { data: { slug: string }[] } }): string[] =>
  response.json().data.map(({ slug }) => slug)
const statusesOf = (answers: { statusCode: number }[]): number[] =>
  answers.map(({ statusCode }) => statusCode).sort((a, b) => a - b)

describe('making an agent', () => {
  it('takes a slug, a name and instructions; the rest is told as it then is', async () => {
    const created = await createAgent(user)
    expect([created.statusCode, created.headers['location']]).toEqual([201, '/v1/agents/translator'])
    expect(created.json()).toStrictEqual({
      ...MINIMAL_AGENT,
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
    })
    expect((await get()).json()).toStrictEqual(created.json())
  })

  it('takes everything', async () => {
    const fields = {
      description: 'Translates texts.',
      capabilities: ['translation'],
      outputSchema: { type: 'object', properties: { french: { type: 'string' } } },
      model: OFFLINE,
      fallbackModels: [OFFLINE],
      delegates: ['developer'],
      requireApproval: true,
      limits: { maxCostUsd: '0.50', maxTokens: 1000, maxSteps: 5, timeoutSeconds: 60 },
    }
    const created = await createAgent(user, fields)
    expect(created.json()).toMatchObject({ ...MINIMAL_AGENT, ...fields })
    expect((await get()).json()).toStrictEqual(created.json())
  })

  it('happens once for one Idempotency-Key', async () => {
    const headers = { 'idempotency-key': 'make-it-once' }
    const request = { method: 'POST' as const, url: '/v1/agents', headers, payload: MINIMAL_AGENT }
    const [first, second] = [await user.request(request), await user.request(request)]
    expect([first.statusCode, second.statusCode]).toEqual([201, 201])
    expect([second.body, second.headers['location'], second.headers['idempotent-replayed']]).toEqual([
      first.body,
      '/v1/agents/translator',
      'true',
    ])
  })

  it.each(['translator', 'developer'])('is a conflict when there is a %s already', async (slug) => {
    await createAgent(user)
    expectProblem(await createAgent(user, { slug }), { status: 409, code: 'slug_taken', instance: '/v1/agents' })
  })

  it('gives a slug to one of many that ask for it at once', async () => {
    const answers = await Promise.all(Array.from({ length: AT_ONCE }, () => createAgent(user)))
    expect(statusesOf(answers)).toEqual([201, ...Array<number>(AT_ONCE - 1).fill(409)])
  })

  it(`is a conflict beyond ${MAX_AGENTS} agents, also for many at once; deleted ones do not count`, async () => {
    await app.sql(
      `INSERT INTO agents (tenant_id, slug, current_version, created_at, updated_at)
       SELECT $1, 'filler-' || n, 1, now(), now() FROM generate_series(1, $2) AS n`,
      [user.tenantId, MAX_AGENTS - 1],
    )
    const answers = await Promise.all(
      Array.from({ length: AT_ONCE }, (_, index) => createAgent(user, { slug: `new-${index}` })),
    )
    expect(answers.filter(({ statusCode }) => statusCode === 201)).toHaveLength(1)
    const refused = answers.find(({ statusCode }) => statusCode !== 201)
    expectProblem(refused!, { status: 409, code: 'agent_limit_reached' })
    expect((await deleteAgent(user, 'filler-1')).statusCode).toBe(204)
    expect((await createAgent(user, { slug: 'another' })).statusCode).toBe(201)
  })

  const longest = {
    name: 'n'.repeat(80),
    description: 'd'.repeat(500),
    instructions: 'i'.repeat(50_000),
    capabilities: Array<string>(12).fill('c'.repeat(80)),
    fallbackModels: Array<string>(5).fill(OFFLINE),
    delegates: Array<string>(50).fill('developer'),
  }
  it('takes each field up to its limit', async () => {
    expect((await createAgent(user, longest)).statusCode).toBe(201)
  })

  const config = { hosts: ['x'.repeat(20_000)] }
  const nested = JSON.parse('{"a":'.repeat(21) + '{}' + '}'.repeat(21)) as object
  it.each<[string, object, string]>([
    ['a long name', { name: 'n'.repeat(81) }, '/name'],
    ['no name', { name: ' ' }, '/name'],
    ['a long description', { description: 'd'.repeat(501) }, '/description'],
    ['long instructions', { instructions: 'i'.repeat(50_001) }, '/instructions'],
    ['empty instructions', { instructions: ' \n' }, '/instructions'],
    ['too many capabilities', { capabilities: Array(13).fill('c') }, '/capabilities'],
    ['a long capability', { capabilities: ['c'.repeat(81)] }, '/capabilities/0'],
    ['too many fallback models', { fallbackModels: Array(6).fill(OFFLINE) }, '/fallbackModels'],
    ['too many delegates', { delegates: Array(51).fill('developer') }, '/delegates'],
    ['too many tools', { tools: Array.from({ length: 21 }, () => ({ tool: 'http_request' })) }, '/tools'],
    ['a long name of a tool', { tools: [{ tool: 't'.repeat(65) }] }, '/tools/0/tool'],
    ['a large configuration', { tools: [{ tool: 'http_request', config }] }, '/tools/0/config'],
    ['a deep configuration', { tools: [{ tool: 'http_request', config: nested }] }, '/tools/0/config'],
    ['a tool that is not there', { tools: [{ tool: 'teleport', config: {} }] }, '/tools/0/tool'],
    ['a bad slug', { slug: '-translator' }, '/slug'],
    ['a long slug', { slug: 's'.repeat(65) }, '/slug'],
    ['an unknown field', { version: 7 }, '/version'],
    ['a limit below one', { limits: { maxSteps: 0 } }, '/limits/maxSteps'],
    ['a model without provider', { model: 'gpt' }, '/model'],
    ['a model that nobody serves', { model: 'nobody/gpt' }, '/model'],
    ['a fallback that nobody serves', { fallbackModels: [OFFLINE, 'nobody/gpt'] }, '/fallbackModels/1'],
    ['a schema that is none', { outputSchema: { type: 'strnig' } }, '/outputSchema'],
    ['a schema with a regular expression', { outputSchema: { pattern: '(a+)+$' } }, '/outputSchema'],
    ['a delegate that is not there', { delegates: ['developer', 'nobody'] }, '/delegates/1'],
    ['itself as delegate', { delegates: ['translator'] }, '/delegates/0'],
    ['a null character in instructions', { instructions: 'x\0' }, '/instructions'],
    ['a null character in a schema', { outputSchema: { description: 'x\0' } }, '/outputSchema'],
    ['a null character in a configuration', { tools: [{ tool: 'x', config: { 'a\0': 1 } }] }, '/tools/0/config'],
    ['half a character in a schema', { outputSchema: { title: '\uD800' } }, '/outputSchema'],
  ])('refuses %s', async (_what, fields, pointer) => {
    expectProblem(await createAgent(user, fields), { status: 400, code: 'validation_failed', pointers: [pointer] })
    expect((await get()).statusCode).toBe(404)
  })
})

describe('changing an agent', () => {
  beforeEach(async () => {
    await createAgent(user, { description: 'Translates.', model: OFFLINE, limits: { maxSteps: 3 } })
  })

  it('makes the next version: absent keeps, null clears', async () => {
    const changed = await updateAgent(user, { name: 'Interpreter', model: null, delegates: 'all' })
    expect([changed.statusCode, changed.json()]).toEqual([
      200,
      expect.objectContaining({
        version: 2,
        name: 'Interpreter',
        description: 'Translates.',
        model: null,
        delegates: 'all',
        limits: { maxSteps: 3 },
      }),
    ])
    const cleared = await updateAgent(user, { description: null, limits: null, delegates: null })
    expect(cleared.json()).toMatchObject({ version: 3, description: '', limits: null, delegates: [] })
    expect((await get()).json()).toStrictEqual(cleared.json())
  })

  it.each<[object]>([[{}], [{ name: MINIMAL_AGENT.name, limits: { maxSteps: 3 } }], [{ outputSchema: null }]])(
    'makes no version when %j changes nothing',
    async (changes) => {
      expect((await updateAgent(user, changes)).json().version).toBe(1)
      expect((await updateAgent(user, { name: 'Other' })).json().version).toBe(2)
    },
  )

  it('loses none of many changes at once, and gives each a version', async () => {
    const changes: object[] = [
      { name: 'Other' },
      { description: 'Other.' },
      { capabilities: ['other'] },
      { instructions: 'Other.' },
      { outputSchema: { type: 'object' } },
      { delegates: 'all' },
      { requireApproval: true },
      { limits: { maxTokens: 9 } },
    ]
    const answers = await Promise.all(changes.map((change) => updateAgent(user, change)))
    expect(new Set(answers.map((answer) => answer.json().version))).toEqual(new Set([2, 3, 4, 5, 6, 7, 8, 9]))
    expect((await get()).json()).toMatchObject({ ...Object.assign({}, ...changes), version: 9 })
  })

  it('is read at once, though answers are cached', async () => {
    for (let version = 2; version < 12; version += 1) {
      await Promise.all([get(), user.request({ url: '/v1/agents' })])
      expect((await get()).headers['x-cache']).toBe('HIT')
      await updateAgent(user, { name: `Name ${version}` })
      expect((await get()).json()).toMatchObject({ name: `Name ${version}`, version })
      const [row] = (await user.request({ url: '/v1/agents' })).json().data.slice(-2)
      expect(row).toMatchObject({ slug: 'translator', name: `Name ${version}`, version })
    }
  })

  it('leaves answers in the cache when it changes nothing', async () => {
    await get()
    await updateAgent(user, {})
    expect((await get()).headers['x-cache']).toBe('HIT')
  })

  it.each<[object, string]>([
    [{ name: null }, '/name'],
    [{ instructions: null }, '/instructions'],
    [{ slug: 'other' }, '/slug'],
    [{ model: 'nobody/gpt' }, '/model'],
    [{ delegates: ['translator'] }, '/delegates/0'],
    [{ tools: [{ tool: 'teleport' }] }, '/tools/0/tool'],
  ])('refuses %j', async (changes, pointer) => {
    const refused = await updateAgent(user, changes)
    expectProblem(refused, { status: 400, code: 'validation_failed', pointers: [pointer] })
    expect((await get()).json().version).toBe(1)
  })

  it('says nothing of a model or a delegate that is gone, unless it is sent', async () => {
    await createAgent(user, { slug: 'helper' })
    await updateAgent(user, { delegates: ['helper'] })
    await app.sql(`UPDATE agent_versions SET definition = definition || '{"model": "gone/gpt"}' WHERE tenant_id = $1`, [
      user.tenantId,
    ])
    await deleteAgent(user, 'helper')
    expect((await updateAgent(user, { name: 'Other' })).statusCode).toBe(200)
    expect((await updateAgent(user, { delegates: ['helper'] })).statusCode).toBe(400)
  })
})

describe('deleting an agent', () => {
  it('takes it from all routes, and gives its slug free; versions go on counting', async () => {
    await createAgent(user)
    await updateAgent(user, { name: 'Second' })
    expect((await get()).statusCode).toBe(200)
    const deleted = await deleteAgent(user)
    expect([deleted.statusCode, deleted.body]).toEqual([204, ''])
    const problem = { status: 404, code: 'not_found' }
    expectProblem(await get(), problem)
    expectProblem(await user.request({ url: '/v1/agents/translator/versions' }), problem)
    expectProblem(await user.request({ url: '/v1/agents/translator/versions/1' }), problem)
    expectProblem(await updateAgent(user, { name: 'Third' }), problem)
    expectProblem(await deleteAgent(user), problem)
    expectProblem(await user.run({ task: 'Go.' }, { agent: 'translator' }), problem)
    expect(slugsOf(await user.request({ url: '/v1/agents' }))).not.toContain('translator')

    const anew = await createAgent(user, { name: 'Anew' })
    expect([anew.statusCode, anew.json().version, anew.json().name]).toEqual([201, 3, 'Anew'])
    expect((await get()).json().name).toBe('Anew')
  })

  it('happens once when many ask at once', async () => {
    await createAgent(user)
    const answers = await Promise.all(Array.from({ length: AT_ONCE }, () => deleteAgent(user)))
    expect(statusesOf(answers)).toEqual([204, ...Array<number>(AT_ONCE - 1).fill(404)])
  })
})

describe('a built-in agent', () => {
  it.each(['PATCH', 'DELETE'] as const)('is no subject of %s', async (method) => {
    const payload = method === 'PATCH' ? { payload: { name: 'Mine' } } : {}
    const answer = await user.request({ method, url: '/v1/agents/developer', ...payload })
    expectProblem(answer, { status: 409, code: 'agent_built_in' })
  })
})

describe('own agents', () => {
  it('are listed among the built-in ones by slug, in pages', async () => {
    for (const slug of ['zebra', 'a1', 'developer-2']) await createAgent(user, { slug, description: `A ${slug}.` })
    const slugs: string[] = []
    let path: string | undefined = '/v1/agents?limit=4'
    while (path) {
      const response = await user.request({ url: path })
      slugs.push(...slugsOf(response))
      path = /^<([^>]+)>; rel="next"$/.exec(String(response.headers['link'] ?? ''))?.[1]
    }
    const builtIn = ['designer', 'developer', 'devops', 'overseer', 'qa-tester', 'security-auditor', 'ux-researcher']
    expect(slugs).toEqual([...builtIn, 'a1', 'developer-2', 'zebra'].sort())
    expect((await user.request({ url: '/v1/agents?limit=1' })).json().data).toEqual([
      { slug: 'a1', name: 'Translator', version: 1, description: 'A a1.', capabilities: [], builtIn: false },
    ])
  })

  it('are run like any other, with their own version, model and instructions', async () => {
    await createAgent(user, { model: OFFLINE })
    await updateAgent(user, { name: 'Second' })
    const run = await user.run({ task: 'Say hello.' }, { agent: 'translator' })
    expect(run.json()).toMatchObject({ agent: 'translator', agentVersion: 2, status: 'completed', model: OFFLINE })
    expect(run.json().output.data).toBeNull()
  })

  it("are the tenant's alone: to another they never were", async () => {
    await createAgent(user)
    const stranger = await TestUser.register(app)
    expect(slugsOf(await stranger.request({ url: '/v1/agents' }))).not.toContain('translator')
    const attempts = [
      (slug: string) => stranger.request({ url: `/v1/agents/${slug}` }),
      (slug: string) => stranger.request({ url: `/v1/agents/${slug}/versions` }),
      (slug: string) => stranger.request({ url: `/v1/agents/${slug}/versions/1` }),
      (slug: string) => updateAgent(stranger, { name: 'Mine' }, slug),
      (slug: string) => deleteAgent(stranger, slug),
      (slug: string) => stranger.run({ task: 'Go.' }, { agent: slug }),
    ]
    for (const attempt of attempts) {
      const [theirs, nobodys] = [await attempt('translator'), await attempt('nobody')]
      expect([theirs.statusCode, theirs.json().detail]).toEqual([404, nobodys.json().detail])
    }
    // And the slug is free for them.
    expect((await createAgent(stranger, { name: 'Theirs' })).json()).toMatchObject({ version: 1, name: 'Theirs' })
    expect((await get()).json().name).toBe('Translator')
  })

  it('are made, changed and deleted by members and not by viewers', async () => {
    const viewer = await Colleague.join(app, user, 'viewer')
    const member = await Colleague.join(app, user, 'member')
    expectProblem(await createAgent(viewer), { status: 403, code: 'forbidden' })
    expect((await createAgent(member)).statusCode).toBe(201)
    expect((await viewer.request({ url: '/v1/agents/translator' })).statusCode).toBe(200)
    expectProblem(await updateAgent(viewer, { name: 'Mine' }), { status: 403, code: 'forbidden' })
    expectProblem(await deleteAgent(viewer), { status: 403, code: 'forbidden' })
    expect((await updateAgent(member, { name: 'Other' })).statusCode).toBe(200)
    expect((await deleteAgent(member)).statusCode).toBe(204)
  })

  it('leave a trace in the audit log, without their instructions', async () => {
    await createAgent(user)
    await updateAgent(user, { name: 'Second', instructions: 'A new secret recipe.' })
    await updateAgent(user, {})
    await deleteAgent(user)
    const log = await user.request({ url: '/v1/audit-log?resource=agent' })
    const entries = log.json().data.map((entry: Record<string, unknown>) => {
      const { action, resource, before, after } = entry
      return { action, resource, before, after }
    })
    const resource = { type: 'agent', id: 'translator' }
    expect(entries).toEqual([
      { action: 'agent_deleted', resource, before: { version: 2 }, after: null },
      {
        action: 'agent_published',
        resource,
        before: { version: 1 },
        after: { version: 2, changedFields: ['instructions', 'name'] },
      },
      { action: 'agent_created', resource, before: null, after: { version: 1, name: 'Translator' } },
    ])
    expect(log.body).not.toContain('recipe')
  })
})
