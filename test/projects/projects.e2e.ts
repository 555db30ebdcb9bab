import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { newId } from '#kernel/ids.js'
import type { AuditedEvent } from '#platform/events/audited-event.js'
import { projectPageSchema, projectSchema } from '../../src/modules/projects/projects.schemas.js'
import { Colleague } from '../support/colleague.js'
import { expectProblem } from '../support/problem.js'
import { recordEvents } from '../support/recorded-events.js'
import { TestApiKey } from '../support/test-api-key.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'
import { add, change, count, get, list, patch, post, remove } from './project.js'

const MAX_PROJECTS = 15

let app: TestApp
let owner: TestUser
let events: ReturnType<typeof recordEvents>

beforeAll(async () => {
  app = await TestApp.start({ env: { PROJECTS_MAX: String(MAX_PROJECTS) } })
  events = recordEvents(app)
})
beforeEach(async () => {
  owner = await TestUser.register(app)
})
afterAll(async () => app[Symbol.asyncDispose]())

describe('adding a project', () => {
  it('answers with the project, at its address', async () => {
    const response = await post(owner, { name: ' Apollo ', slug: 'apollo-11', description: ' To the moon. ' })
    expect(response.statusCode).toBe(201)
    const project = projectSchema.parse(response.json())
    expect(project).toEqual({
      id: expect.any(String),
      slug: 'apollo-11',
      name: 'Apollo',
      description: 'To the moon.',
      status: 'active',
      createdAt: expect.any(String),
      updatedAt: project.createdAt,
      archivedAt: null,
    })
    expect(response.headers['location']).toBe('/v1/projects/apollo-11')
    const shown = await get(owner, 'apollo-11')
    expect(shown.json()).toEqual(project)
    expect(shown.headers['etag']).toBeDefined()
  })

  it('makes a slug of the name, and numbers it where that is taken or reserved', async () => {
    const slugs = async (name: string, times: number): Promise<string[]> => {
      const made: string[] = []
      for (let time = 0; time < times; time += 1) made.push((await add(owner, { name })).slug)
      return made
    }
    expect(await slugs('Crème brûlée', 3)).toEqual(['creme-brulee', 'creme-brulee-2', 'creme-brulee-3'])
    await remove(owner, 'creme-brulee-2')
    expect(await slugs('CREME BRULEE', 2)).toEqual(['creme-brulee-2', 'creme-brulee-4'])
    expect(await slugs('Count', 1)).toEqual(['count-2'])
  })

  it('finds free numbers for all who ask at once, and for as many as there may be', async () => {
    const answers = await Promise.all(Array.from({ length: MAX_PROJECTS }, () => post(owner, { name: 'Website' })))
    const slugs = answers.map((answer) => answer.json().slug)
    const numbered = Array.from({ length: MAX_PROJECTS - 1 }, (_, index) => `website-${index + 2}`)
    expect(new Set(slugs)).toEqual(new Set(['website', ...numbered]))
  })

  it('refuses a slug that is taken in the tenant, and no other', async () => {
    await add(owner, { name: 'Website', slug: 'web' })
    expectProblem(await post(owner, { name: 'Other', slug: 'web' }), { status: 409, code: 'slug_taken' })
    expect((await post(await TestUser.register(app), { name: 'Other', slug: 'web' })).statusCode).toBe(201)
    const answers = await Promise.all(Array.from({ length: 5 }, () => post(owner, { name: 'Shop', slug: 'shop' })))
    const refused = answers.filter(({ statusCode }) => statusCode === 409)
    expect([refused.length, await count(owner)]).toEqual([4, 2])
  })

  it('happens once for an Idempotency-Key', async () => {
    const key = newId()
    const [first, again] = [await post(owner, { name: 'Website' }, key), await post(owner, { name: 'Website' }, key)]
    expect([again.statusCode, again.json(), again.headers['location']]).toEqual([
      201,
      first.json(),
      first.headers['location'],
    ])
    expect(again.headers['idempotent-replayed']).toBe('true')
    expect(await count(owner)).toBe(1)
    expectProblem(await post(owner, { name: 'Shop' }, key), { status: 422, code: 'idempotency_key_reused' })
  })

  it('ends where a tenant has as many as it may, however many come at once; deleted ones do not count', async () => {
    const answers = await Promise.all(
      Array.from({ length: MAX_PROJECTS + 2 }, (_, index) => post(owner, { name: `Project ${index}` })),
    )
    const refused = answers.filter(({ statusCode }) => statusCode !== 201)
    expect(refused).toHaveLength(2)
    const { detail } = expectProblem(refused[0]!, { status: 400, code: 'validation_failed', pointers: [''] })
    expect(detail).toBe(`A tenant has at most ${MAX_PROJECTS} projects: delete one that is not used.`)
    const { slug } = (await list(owner)).json().data[0]
    await remove(owner, slug)
    expect((await post(owner, { name: 'One more' })).statusCode).toBe(201)
  })

  it.each<[string, object, string[]]>([
    ['nothing', {}, ['/name']],
    ['an empty name', { name: '  ' }, ['/name']],
    ['a name that is too long', { name: 'x'.repeat(201) }, ['/name']],
    ['a name with a null character', { name: 'a\0b' }, ['/name']],
    ['a name that is none', { name: 7 }, ['/name']],
    ['an empty slug', { name: 'x', slug: '' }, ['/slug']],
    ['a slug in capitals', { name: 'x', slug: 'Web' }, ['/slug']],
    ['a slug that is a path', { name: 'x', slug: '../runs' }, ['/slug']],
    ['a slug with a hyphen at its end', { name: 'x', slug: 'web-' }, ['/slug']],
    ['a slug that is too long', { name: 'x', slug: 'x'.repeat(65) }, ['/slug']],
    ['a slug that is reserved', { name: 'x', slug: 'count' }, ['/slug']],
    ['a description that is too long', { name: 'x', description: 'x'.repeat(2001) }, ['/description']],
    ['a status', { name: 'x', status: 'archived' }, ['/status']],
    ['several faults', { name: '', slug: '-', description: 7 }, ['/name', '/slug', '/description']],
  ])('refuses %s', async (_what, payload, pointers) => {
    expectProblem(await post(owner, payload), { status: 400, code: 'validation_failed', pointers })
    expect(await count(owner)).toBe(0)
  })
})

describe('changing a project', () => {
  it('changes what is named and keeps the rest; null clears the description', async () => {
    const project = await add(owner, { name: 'Website', description: 'Ours.' })
    const renamed = await change(owner, 'website', { name: 'Home' })
    expect(renamed).toEqual({ ...project, name: 'Home', updatedAt: renamed.updatedAt })
    expect(renamed.updatedAt > project.updatedAt).toBe(true)
    const cleared = await change(owner, 'website', { description: null })
    expect(cleared).toEqual({ ...renamed, description: null, updatedAt: cleared.updatedAt })
    expect(await change(owner, 'website', { name: 'Home', archived: false })).toEqual(cleared)
    expect((await get(owner, 'website')).json()).toEqual(cleared)
  })

  it('archives and unarchives it', async () => {
    const project = await add(owner)
    const archived = await change(owner, 'website', { archived: true })
    expect(archived).toEqual({
      ...project,
      status: 'archived',
      archivedAt: archived.updatedAt,
      updatedAt: expect.any(String),
    })
    expect(await change(owner, 'website', { archived: true })).toEqual(archived)
    const renamed = await change(owner, 'website', { name: 'Old' })
    expect(renamed).toMatchObject({ name: 'Old', status: 'archived', archivedAt: archived.archivedAt })
    expect(await change(owner, 'website', { archived: false })).toMatchObject({ status: 'active', archivedAt: null })
  })

  it('loses no change of two at once', async () => {
    await add(owner)
    await Promise.all([patch(owner, 'website', { name: 'Home' }), patch(owner, 'website', { description: 'Ours.' })])
    expect((await get(owner, 'website')).json()).toMatchObject({ name: 'Home', description: 'Ours.' })
  })

  it.each<[object, string]>([
    [{ name: null }, '/name'],
    [{ name: '' }, '/name'],
    [{ archived: null }, '/archived'],
    [{ archived: 'yes' }, '/archived'],
    [{ description: 7 }, '/description'],
    [{ slug: 'other' }, '/slug'],
    [{ status: 'archived' }, '/status'],
  ])('refuses %j', async (payload, pointer) => {
    const project = await add(owner)
    const answer = await patch(owner, 'website', payload)
    expectProblem(answer, { status: 400, code: 'validation_failed', pointers: [pointer] })
    expect((await get(owner, 'website')).json()).toEqual(project)
  })
})

describe('projects', () => {
  it('are listed newest first, page by page, without their descriptions; what is added meanwhile moves nothing', async () => {
    const added = []
    for (const name of ['One', 'Two', 'Three']) added.push(await add(owner, { name, description: 'Long.' }))
    const first = await list(owner, '?limit=2')
    const page = projectPageSchema.parse(first.json())
    expect(first.headers['link']).toBe(`</v1/projects?limit=2&cursor=${page.nextCursor}>; rel="next"`)
    await add(owner, { name: 'Four' })
    const rest = projectPageSchema.parse((await list(owner, `?limit=2&cursor=${page.nextCursor}`)).json())
    expect(rest.nextCursor).toBeNull()
    const summaries = added.map(({ description: _description, ...summary }) => summary)
    expect([...page.data, ...rest.data]).toEqual(summaries.toReversed())
    expectProblem(await list(owner, '?cursor=x'), { status: 400, code: 'validation_failed', pointers: ['/cursor'] })
  })

  it('are listed and counted by their status', async () => {
    for (const name of ['One', 'Two', 'Three']) await add(owner, { name })
    await change(owner, 'two', { archived: true })
    await remove(owner, 'one')
    const slugs = async (query: string): Promise<string[]> =>
      (await list(owner, query)).json().data.map(({ slug }: { slug: string }) => slug)
    for (const [query, expected] of [
      ['', ['three', 'two']],
      ['?status=active', ['three']],
      ['?status=archived', ['two']],
    ] as const) {
      expect([query, await slugs(query), await count(owner, query)]).toEqual([query, expected, expected.length])
    }
    for (const url of ['/v1/projects?status=deleted', '/v1/projects/count?status=deleted']) {
      expectProblem(await owner.request({ url }), { status: 400, code: 'validation_failed', pointers: ['/status'] })
    }
  })

  it('are gone once deleted, and their slugs are free', async () => {
    const { id } = await add(owner)
    const response = await remove(owner, 'website')
    expect([response.statusCode, response.body]).toEqual([204, ''])
    for (const answer of [
      await get(owner, 'website'),
      await patch(owner, 'website', { name: 'x' }),
      await patch(owner, 'website', { archived: true }),
      await remove(owner, 'website'),
    ]) {
      expectProblem(answer, { status: 404, code: 'not_found' })
    }
    expect((await list(owner)).json().data).toEqual([])
    const again = await add(owner)
    expect([again.slug, again.id === id]).toEqual(['website', false])
  })

  it("are another tenant's as if they had never been", async () => {
    await add(owner)
    const stranger = await TestUser.register(app)
    for (const ask of [get, remove, patch]) {
      const problems = []
      for (const slug of ['website', 'nowhere', 'No such slug']) {
        const answer = await ask(stranger, encodeURIComponent(slug), { name: 'Mine', archived: true })
        problems.push(expectProblem(answer, { status: 404, code: 'not_found' }).detail)
      }
      expect(new Set(problems)).toEqual(new Set(['There is no such project.']))
    }
    expect([(await list(stranger)).json().data, await count(stranger)]).toEqual([[], 0])
    expect((await get(owner, 'website')).json()).toMatchObject({ name: 'Website', status: 'active' })
  })

  it('are read by viewers and changed by members', async () => {
    await add(owner)
    const [viewer, member] = [await Colleague.join(app, owner, 'viewer'), await Colleague.join(app, owner, 'member')]
    for (const answer of [await get(viewer, 'website'), await list(viewer)]) expect(answer.statusCode).toBe(200)
    expect(await count(viewer)).toBe(1)
    for (const ask of [
      () => post(viewer, { name: 'Mine' }),
      () => patch(viewer, 'website', { name: 'Mine' }),
      () => remove(viewer, 'website'),
    ]) {
      expectProblem(await ask(), { status: 403, code: 'forbidden' })
    }
    expect((await patch(member, 'website', { name: 'Ours' })).statusCode).toBe(200)
    expect((await remove(member, 'website')).statusCode).toBe(204)
  })

  it('open to API keys as far as their scopes go', async () => {
    await add(owner)
    const reader = await TestApiKey.create(app, owner, { scopes: ['projects:read'] })
    expect((await get(reader, 'website')).statusCode).toBe(200)
    expectProblem(await remove(reader, 'website'), { status: 403, code: 'forbidden' })
    const writer = await TestApiKey.create(app, owner, { scopes: ['projects:write'] })
    expect((await patch(writer, 'website', { name: 'Ours' })).statusCode).toBe(200)
    expectProblem(await get(writer, 'website'), { status: 403, code: 'forbidden' })
  })

  it('leave a trail of each change, and none of a change that is none', async () => {
    const { id } = await add(owner, { name: 'Website', description: 'Ours.' })
    await change(owner, 'website', {})
    await change(owner, 'website', { name: 'Home' })
    await change(owner, 'website', { archived: true })
    await remove(owner, 'website')
    const own = events
      .ofType('project.')
      .map((event) => [event.type, (event as AuditedEvent).audit] as const)
      .filter(([, { resource }]) => resource.id === id)
    const made = { slug: 'website', name: 'Website', description: 'Ours.', archived: false }
    const resource = { type: 'project', id }
    expect(own).toEqual([
      ['project.created', { action: 'project_created', resource, after: made }],
      ['project.updated', { action: 'project_updated', resource, before: made, after: { ...made, name: 'Home' } }],
      [
        'project.updated',
        {
          action: 'project_updated',
          resource,
          before: { ...made, name: 'Home' },
          after: { ...made, name: 'Home', archived: true },
        },
      ],
      ['project.deleted', { action: 'project_deleted', resource, before: { ...made, name: 'Home', archived: true } }],
    ])
    const log = await owner.request({ url: `/v1/audit-log?resource=project/${id}` })
    expect(log.json().data.map(({ action }: { action: string }) => action)).toEqual(
      own.map(([, { action }]) => action).toReversed(),
    )
  })
})
