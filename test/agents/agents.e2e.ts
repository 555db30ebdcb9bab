import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'

const BUILT_IN = ['designer', 'developer', 'devops', 'overseer', 'qa-tester', 'security-auditor', 'ux-researcher']

describe('agents', () => {
  let app: TestApp
  let user: TestUser

  beforeAll(async () => {
    app = await TestApp.start()
    user = await TestUser.register(app)
  })
  afterAll(async () => app[Symbol.asyncDispose]())

  it('are seven, listed by slug without what is long', async () => {
    const { data, nextCursor } = (await user.request({ url: '/v1/agents' })).json()
    expect(data.map((agent: { slug: string }) => agent.slug)).toEqual(BUILT_IN)
    expect(nextCursor).toBeNull()
    for (const agent of data) expect(agent).not.toHaveProperty('instructions')
  })

  it('come in pages that lead to each other', async () => {
    const slugs: string[] = []
    let path: string | undefined = '/v1/agents?limit=3'
    while (path) {
      const response = await user.request({ url: path })
      slugs.push(...response.json().data.map((agent: { slug: string }) => agent.slug))
      path = /^<([^>]+)>; rel="next"$/.exec(String(response.headers['link'] ?? ''))?.[1]
      expect(path === undefined).toBe(response.json().nextCursor === null)
    }
    expect(slugs).toEqual(BUILT_IN)
  })

  it.each(BUILT_IN)('%s has instructions and an output schema that compiles', async (slug) => {
    const response = await user.request({ url: `/v1/agents/${slug}` })
    expect(response.statusCode).toBe(200)
    const { instructions, outputSchema, version, builtIn } = response.json()
    expect([version, builtIn]).toEqual([slug === 'overseer' ? 2 : 1, true])
    expect(instructions.length).toBeGreaterThan(1000)
    expect(() => new Ajv2020({ strict: true }).compile(outputSchema)).not.toThrow()
  })

  it.each(['nobody', '%2e%2e', 'DEVELOPER'])('is a 404 for %s', async (slug) => {
    expect((await user.request({ url: `/v1/agents/${slug}` })).statusCode).toBe(404)
  })

  it.each(['limit=0', 'limit=101', 'limit=x', 'cursor=x', 'nonsense=1'])('refuses ?%s', async (query) => {
    const response = await user.request({ url: `/v1/agents?${query}` })
    expect([response.statusCode, response.json().errors[0].pointer]).toEqual([400, `/${query.split('=')[0]}`])
  })
})
