import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { AgentDirectory } from '../../src/modules/agents/agent-directory.js'
import { createAgent, deleteAgent, updateAgent } from '../support/own-agent.js'
import { statementsOf } from '../support/statements.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'

const MORE_THAN_IT_KEEPS = 130
/** The database refuses the very question: no id of a tenant looks like this. */
const NO_TENANT = 'no tenant'

let app: TestApp
let user: TestUser
let directory: AgentDirectory

beforeAll(async () => {
  app = await TestApp.start()
  directory = app.nest.get(AgentDirectory)
})
afterAll(async () => app[Symbol.asyncDispose]())
beforeEach(async () => {
  user = await TestUser.register(app)
})

describe('the directory of agents', () => {
  it('knows built-in agents without asking the database, in any version', async () => {
    expect((await directory.get(NO_TENANT, 'developer')).version).toBe(1)
    expect((await directory.getVersion(NO_TENANT, 'developer', 99)).version).toBe(1)
    await expect(directory.get(NO_TENANT, 'translator')).rejects.toThrow('uuid')
    await expect(directory.getVersion(NO_TENANT, 'translator', 1)).rejects.toThrow('uuid')
  })

  it('reads an own version once, and asks for no more than its number from then on', async () => {
    await createAgent(user)
    const first = await directory.get(user.tenantId, 'translator')
    const statements = await statementsOf(async () => {
      expect(await directory.get(user.tenantId, 'translator')).toBe(first)
    })
    expect(statements.filter((text) => text.includes('agent'))).toEqual([
      expect.stringContaining('SELECT current_version'),
    ])
  })

  it('knows at once what another replica has published or deleted', async () => {
    await using second = await TestApp.start({ database: app.database })
    const there = second.nest.get(AgentDirectory)
    await createAgent(user)
    expect((await there.get(user.tenantId, 'translator')).version).toBe(1)
    for (let version = 2; version < 12; version += 1) {
      await updateAgent(user, { name: `Name ${version}` })
      expect(await there.get(user.tenantId, 'translator')).toMatchObject({ version, name: `Name ${version}` })
    }
    await deleteAgent(user)
    await expect(there.get(user.tenantId, 'translator')).rejects.toMatchObject({ code: 'not_found' })
  })

  it('gives each version as it was published, whatever came later, also once the agent is gone', async () => {
    await createAgent(user, { instructions: 'First.' })
    await updateAgent(user, { instructions: 'Second.' })
    await deleteAgent(user)
    await createAgent(user, { instructions: 'Third.' })
    for (const [index, instructions] of ['First.', 'Second.', 'Third.'].entries()) {
      const version = index + 1
      expect(await directory.getVersion(user.tenantId, 'translator', version)).toMatchObject({
        slug: 'translator',
        version,
        instructions,
      })
    }
    await deleteAgent(user)
    expect((await directory.getVersion(user.tenantId, 'translator', 3)).instructions).toBe('Third.')
    await expect(directory.get(user.tenantId, 'translator')).rejects.toMatchObject({ code: 'not_found' })
  })

  it.each(['nobody', 'x\0', 'X', ''])('has no %j', async (slug) => {
    await expect(directory.get(user.tenantId, slug)).rejects.toMatchObject({ code: 'not_found' })
  })

  it('has no version that was never published', async () => {
    await createAgent(user)
    await expect(directory.getVersion(user.tenantId, 'translator', 2)).rejects.toMatchObject({ code: 'not_found' })
    await expect(directory.getVersion(user.tenantId, 'nobody', 1)).rejects.toMatchObject({ code: 'not_found' })
  })

  it("never gives one tenant another's agent, though both are of one name and version", async () => {
    const other = await TestUser.register(app)
    await createAgent(user, { name: 'Mine' })
    await createAgent(other, { name: 'Theirs' })
    for (const get of [
      ({ tenantId }: TestUser) => directory.get(tenantId, 'translator'),
      ({ tenantId }: TestUser) => directory.getVersion(tenantId, 'translator', 1),
    ]) {
      expect([(await get(user)).name, (await get(other)).name]).toEqual(['Mine', 'Theirs'])
    }
  })

  it('keeps a bounded number of versions, and reads again what it has let go', async () => {
    await createAgent(user)
    const kept = await directory.getVersion(user.tenantId, 'translator', 1)
    await app.sql(
      `INSERT INTO agent_versions (tenant_id, slug, version, definition, created_at)
       SELECT tenant_id, slug, n, definition, now() FROM agent_versions, generate_series(2, $2) AS n WHERE tenant_id = $1`,
      [user.tenantId, MORE_THAN_IT_KEEPS],
    )
    for (let version = 2; version <= MORE_THAN_IT_KEEPS; version += 1) {
      await directory.getVersion(user.tenantId, 'translator', version)
    }
    const again = await directory.getVersion(user.tenantId, 'translator', 1)
    expect(again).not.toBe(kept)
    expect(again).toEqual(kept)
  })
})

describe('the agents that an agent may give tasks to', () => {
  const delegatesOf = async (slug: string, delegates: 'all' | string[]) => {
    const agents = await directory.listDelegates(user.tenantId, { slug, delegates })
    return agents.map((agent) => agent.slug)
  }

  it('are nobody, unless it says so', async () => {
    await createAgent(user)
    const translator = await directory.get(user.tenantId, 'translator')
    expect(await directory.listDelegates(user.tenantId, translator)).toEqual([])
  })

  it('are all others of the tenant and all built-in ones, for the overseer', async () => {
    const stranger = await TestUser.register(app)
    await createAgent(stranger, { slug: 'strange' })
    await createAgent(user, { description: 'Translates.' })
    await createAgent(user, { slug: 'gone' })
    await deleteAgent(user, 'gone')
    const overseer = await directory.get(user.tenantId, 'overseer')
    const agents = await directory.listDelegates(user.tenantId, overseer)
    expect(agents.map(({ slug }) => slug)).toEqual([
      'designer',
      'developer',
      'devops',
      'qa-tester',
      'security-auditor',
      'translator',
      'ux-researcher',
    ])
    expect(agents[5]).toMatchObject({ name: 'Translator', description: 'Translates.', builtIn: false })
  })

  it('are those that it names, as far as they are there, and never itself', async () => {
    await createAgent(user)
    expect(await delegatesOf('other', ['translator', 'developer', 'nobody', 'other'])).toEqual([
      'developer',
      'translator',
    ])
    expect(await delegatesOf('translator', 'all')).not.toContain('translator')
  })

  it('cost no query when all that are named are built in', async () => {
    const named = { slug: 'other', delegates: ['developer'] }
    expect(await directory.listDelegates(NO_TENANT, named)).toEqual([expect.objectContaining({ slug: 'developer' })])
    await expect(directory.listDelegates(NO_TENANT, { ...named, delegates: 'all' })).rejects.toThrow('uuid')
  })
})
