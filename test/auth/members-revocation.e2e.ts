import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { expectProblem } from '../support/problem.js'
import { plantApiKey } from '../support/planted-api-key.js'
import { TestApp } from '../support/test-app.js'
import { PASSWORD, TestUser } from '../support/test-user.js'

const TIMES = 20

describe('with two replicas whose caches are warm', () => {
  let here: TestApp
  let there: TestApp
  let owner: TestUser

  beforeAll(async () => {
    const env = { REDIS_URL: process.env['TEST_REDIS_URL'] ?? '' }
    here = await TestApp.start({ env })
    there = await TestApp.start({ env, database: here.database })
    owner = await TestUser.register(here)
  })
  afterAll(async () => {
    await there[Symbol.asyncDispose]()
    await here[Symbol.asyncDispose]()
  })

  const changeHere = (member: TestUser, payload: object) =>
    owner.request({ method: 'PATCH', url: `/v1/members/${member.userId}`, payload })
  const removeHere = (member: TestUser) => owner.request({ method: 'DELETE', url: `/v1/members/${member.userId}` })
  /** What a credential may do on the other replica: its status for what a member may and a viewer may not. */
  async function standingThere(credential: string): Promise<number> {
    const response = await there.inject({
      method: 'DELETE',
      url: '/v1/members/01890000-0000-7000-8000-000000000000',
      headers: { authorization: `Bearer ${credential}` },
    })
    return response.statusCode
  }
  async function admin(): Promise<{ member: TestUser; credentials: [string, string] }> {
    const member = await TestUser.join(here, owner, 'admin')
    const key = await plantApiKey(here, member, ['members:read', 'members:write'])
    return { member, credentials: [member.accessToken, key] }
  }
  const standingsThere = (credentials: [string, string]) => Promise.all(credentials.map(standingThere))
  /** There is no such member: the guard has let both in. Twice, so that the second answer is a cache's. */
  async function warmUp(credentials: [string, string]): Promise<void> {
    expect(await standingsThere(credentials)).toEqual([404, 404])
    expect(await standingsThere(credentials)).toEqual([404, 404])
  }

  it(`a demotion on one binds the session and the key on the other with the next request, ${TIMES} of ${TIMES} times`, async () => {
    const { member, credentials } = await admin()
    for (let time = 0; time < TIMES; time += 1) {
      await warmUp(credentials)
      expect((await changeHere(member, { role: 'viewer' })).statusCode).toBe(200)
      expect(await standingsThere(credentials)).toEqual([403, 403])
      expect((await changeHere(member, { role: 'admin' })).statusCode).toBe(200)
    }
  })

  it(`a suspension ends the session and stops the key, ${TIMES} of ${TIMES} times`, async () => {
    const { member, credentials } = await admin()
    let [session, key] = credentials
    for (let time = 0; time < TIMES; time += 1) {
      await warmUp([session, key])
      expect((await changeHere(member, { disabled: true })).statusCode).toBe(200)
      expect(await standingsThere([session, key])).toEqual([401, 401])
      expect((await changeHere(member, { disabled: false })).statusCode).toBe(200)
      expect(await standingsThere([session, key])).toEqual([401, 404])
      const payload = { email: member.email, password: PASSWORD }
      session = (await there.inject({ method: 'POST', url: '/v1/auth/login', payload })).json().accessToken
    }
  })

  it(`a removal ends the session and the key, ${TIMES} of ${TIMES} times`, async () => {
    for (let time = 0; time < TIMES; time += 1) {
      const { member, credentials } = await admin()
      await warmUp(credentials)
      expect((await removeHere(member)).statusCode).toBe(204)
      expect(await standingsThere(credentials)).toEqual([401, 401])
    }
  })
})

describe('an API key', () => {
  let app: TestApp
  let owner: TestUser

  beforeAll(async () => {
    app = await TestApp.start()
    owner = await TestUser.register(app)
  })
  afterAll(async () => app[Symbol.asyncDispose]())

  it('that may not change members does not end the membership of who made it', async () => {
    const member = await TestUser.join(app, owner, 'member')
    const key = await plantApiKey(app, member, ['runs:write', 'members:read'])
    const response = await app.inject({
      method: 'DELETE',
      url: `/v1/members/${member.userId}`,
      headers: { 'x-api-key': key },
    })
    expectProblem(response, { status: 403, code: 'forbidden' })
  })

  it('is shown only the tenant that it is of', async () => {
    const email = (await TestUser.register(app)).email
    const invited = await owner.request({ method: 'POST', url: '/v1/invitations', payload: { email } })
    const payload = { token: invited.json().token, password: PASSWORD }
    const accepted = await app.inject({ method: 'POST', url: '/v1/invitations/accept', payload })
    const key = await plantApiKey(app, TestUser.signedIn(app, accepted), ['members:read'])
    const me = await app.inject({ method: 'GET', url: '/v1/auth/me', headers: { 'x-api-key': key } })
    expect(me.json().tenants.map(({ id }: { id: string }) => id)).toEqual([owner.tenantId])
  })
})
