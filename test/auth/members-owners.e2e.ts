import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { holdTenant } from '../support/held-tenant.js'
import { expectProblem } from '../support/problem.js'
import { TestApp } from '../support/test-app.js'
import { PASSWORD, TestUser } from '../support/test-user.js'

const RACES = 20

let app: TestApp
let owner: TestUser

beforeAll(async () => {
  app = await TestApp.start()
})
beforeEach(async () => {
  owner = await TestUser.register(app)
})
afterAll(async () => app[Symbol.asyncDispose]())

const join = (role: string) => TestUser.join(app, owner, role)
const update = (user: TestUser, userId: string, payload: object) =>
  user.request({ method: 'PATCH', url: `/v1/members/${userId}`, payload })
const remove = (user: TestUser, userId: string) => user.request({ method: 'DELETE', url: `/v1/members/${userId}` })
const getMe = (user: TestUser) => user.request({ method: 'GET', url: '/v1/auth/me' })

async function actingOwners(tenantId: string): Promise<number> {
  const rows = await app.sql(
    `SELECT 1 FROM memberships WHERE tenant_id = $1 AND role = 'owner' AND disabled_at IS NULL`,
    [tenantId],
  )
  return rows.length
}

describe('the last owner', () => {
  it('cannot leave, step down or be suspended', async () => {
    await join('admin')
    expectProblem(await remove(owner, owner.userId), { status: 409, code: 'last_owner' })
    expectProblem(await update(owner, owner.userId, { role: 'admin' }), { status: 409, code: 'last_owner' })
    expectProblem(await update(owner, owner.userId, { disabled: true }), { status: 409, code: 'last_owner' })
    expect((await getMe(owner)).json().role).toBe('owner')
  })

  it('is the one beside whom every other is suspended', async () => {
    const second = await join('owner')
    await update(owner, second.userId, { disabled: true })
    expectProblem(await remove(owner, owner.userId), { status: 409, code: 'last_owner' })
    expectProblem(await update(owner, owner.userId, { role: 'admin' }), { status: 409, code: 'last_owner' })
    expect((await remove(owner, second.userId)).statusCode).toBe(204)
  })

  it('may go once there is another', async () => {
    await join('owner')
    expect((await update(owner, owner.userId, { role: 'viewer' })).json().role).toBe('viewer')
    expect((await remove(owner, owner.userId)).statusCode).toBe(204)
    expect(await actingOwners(owner.tenantId)).toBe(1)
  })

  it.each<[string, (actor: TestUser, target: TestUser) => ReturnType<typeof update>]>([
    ['demote', (actor, target) => update(actor, target.userId, { role: 'member' })],
    ['suspend', (actor, target) => update(actor, target.userId, { disabled: true })],
    ['remove', (actor, target) => remove(actor, target.userId)],
  ])('stays when two owners %s each other at once', async (_, act) => {
    const second = await join('owner')
    for (let race = 0; race < RACES; race += 1) {
      const [one, two] = await freshOwners(second)
      const answers = await Promise.all([act(one, two), act(two, one)])
      expect(answers.filter(({ statusCode }) => statusCode < 300)).toHaveLength(1)
      const refused = answers.find(({ statusCode }) => statusCode >= 300)
      // The slower one is refused for what he would do, or for what he is no more.
      expect([401, 403, 409]).toContain(refused?.statusCode)
      expect(await actingOwners(owner.tenantId)).toBe(1)
    }
  })

  it('stays when both owners leave at once', async () => {
    const second = await join('owner')
    for (let race = 0; race < RACES; race += 1) {
      const [one, two] = await freshOwners(second)
      const answers = await Promise.all([remove(one, one.userId), remove(two, two.userId)])
      expect(answers.map(({ statusCode }) => statusCode).sort((a, b) => a - b)).toEqual([204, 409])
    }
  })

  /** Both as owners again, newly signed in. */
  async function freshOwners(second: TestUser): Promise<[TestUser, TestUser]> {
    for (const { userId } of [owner, second]) {
      await app.sql(
        `INSERT INTO memberships (tenant_id, user_id, role, created_at) VALUES ($1, $2, 'owner', now())
         ON CONFLICT (tenant_id, user_id) DO UPDATE SET role = 'owner', disabled_at = NULL`,
        [owner.tenantId, userId],
      )
    }
    const [one, two] = await Promise.all(
      [owner, second].map(async ({ email }) => {
        const payload = { email, password: PASSWORD, tenantId: owner.tenantId }
        return TestUser.signedIn(app, await app.inject({ method: 'POST', url: '/v1/auth/login', payload }))
      }),
    )
    if (!one || !two) throw new Error('two owners were to sign in')
    return [one, two]
  }
})

describe('an actor who lost his role while his request waited', () => {
  it.each<[string, string]>([
    ['was demoted', `UPDATE memberships SET role = 'viewer' WHERE tenant_id = $1 AND user_id = $2`],
    ['was suspended', 'UPDATE memberships SET disabled_at = now() WHERE tenant_id = $1 AND user_id = $2'],
    ['was removed', 'DELETE FROM memberships WHERE tenant_id = $1 AND user_id = $2'],
  ])('changes and invites nobody any more: he %s', async (_, sql) => {
    const [actor, member] = [await join('admin'), await join('member')]
    await holdTenant(app, owner.tenantId, async ({ client, whenWaiting }) => {
      const change = update(actor, member.userId, { role: 'admin' })
      const removal = remove(actor, member.userId)
      const payload = { email: 'friend@example.com', role: 'admin' }
      const invitation = actor.request({ method: 'POST', url: '/v1/invitations', payload })
      await whenWaiting(3)
      await client.query(sql, [owner.tenantId, actor.userId])
      await client.query('COMMIT')
      for (const answer of await Promise.all([change, removal, invitation])) {
        const { detail } = expectProblem(answer, { status: 403, code: 'forbidden' })
        expect(detail).toBe('Your own role has just been changed.')
      }
    })
    expect((await getMe(member)).json().role).toBe('member')
    const open = await owner.request({ method: 'GET', url: '/v1/invitations' })
    expect(open.json().data).toEqual([])
  })
})
