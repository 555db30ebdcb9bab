import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { newId } from '#kernel/ids.js'
import { meSchema, tokenPairSchema } from '../../src/modules/auth/auth.schemas.js'
import { TestApp } from '../support/test-app.js'
import { PASSWORD, TestUser } from '../support/test-user.js'

describe('auth', () => {
  let app: TestApp
  let user: TestUser

  beforeAll(async () => {
    app = await TestApp.start()
    user = await TestUser.register(app)
  })
  afterAll(async () => app[Symbol.asyncDispose]())

  const post = (path: string, payload: object) => app.inject({ method: 'POST', url: `/v1/auth/${path}`, payload })
  const getMe = (token: string) =>
    app.inject({ method: 'GET', url: '/v1/auth/me', headers: { authorization: `Bearer ${token}` } })

  describe('register', () => {
    it('makes a user who owns a tenant, and signs him in', async () => {
      const response = await post('register', {
        email: ' New.User@Example.com ',
        password: PASSWORD,
        name: 'New',
        tenantName: 'Team',
      })
      expect(response.statusCode).toBe(201)
      const pair = tokenPairSchema.parse(response.json())
      expect(pair).toMatchObject({
        user: { email: 'new.user@example.com', name: 'New' },
        tenant: { name: 'Team' },
        role: 'owner',
        tokenType: 'Bearer',
        expiresIn: 900,
      })
      expect((await getMe(pair.accessToken)).statusCode).toBe(200)
    })

    it('refuses an address that is taken, in whatever case', async () => {
      const response = await post('register', { email: user.email.toUpperCase(), password: PASSWORD })
      expect([response.statusCode, response.json().code]).toEqual([409, 'email_taken'])
    })

    it.each(['short1A', 'nouppercase123', 'NOLOWERCASE123', 'NoDigitsAtAllHere'])(
      'refuses the weak password %j and says why',
      async (password) => {
        const response = await post('register', { email: 'weak@example.com', password })
        expect(response.statusCode).toBe(400)
        expect(response.json().errors).toEqual([{ pointer: '/password', detail: expect.stringMatching(/^must have /) }])
      },
    )

    it('refuses a name that cannot be stored', async () => {
      const response = await post('register', { email: 'nul@example.com', password: PASSWORD, name: 'a\u0000b' })
      expect([response.statusCode, response.json().code]).toEqual([400, 'validation_failed'])
    })

    it('lets twenty at once with one address in only once', async () => {
      const attempts = Array.from({ length: 20 }, () =>
        post('register', { email: 'race@example.com', password: PASSWORD }),
      )
      const statuses = (await Promise.all(attempts)).map((response) => response.statusCode)
      expect(statuses.filter((status) => status === 201)).toHaveLength(1)
      expect(statuses.filter((status) => status === 409)).toHaveLength(19)
    })

    it('is closed where the operator closed it', async () => {
      await using closed = await TestApp.start({ env: { REGISTRATION: 'closed' } })
      const payload = { email: 'a@example.com', password: PASSWORD }
      const response = await closed.inject({ method: 'POST', url: '/v1/auth/register', payload })
      expect([response.statusCode, response.json().code]).toEqual([403, 'forbidden'])
    })
  })

  describe('login', () => {
    it('signs in, in whatever case the address is typed', async () => {
      const response = await post('login', { email: user.email.toUpperCase(), password: PASSWORD })
      expect(response.statusCode).toBe(200)
      expect(tokenPairSchema.parse(response.json()).tenant.id).toBe(user.tenantId)
    })

    it('says the same for an unknown address, a wrong password and a tenant that one is not in', async () => {
      const other = await TestUser.register(app)
      const attempts = await Promise.all([
        post('login', { email: 'nobody@example.com', password: PASSWORD }),
        post('login', { email: user.email, password: `${PASSWORD}x` }),
        post('login', { email: user.email, password: PASSWORD, tenantId: other.tenantId }),
        post('login', { email: user.email, password: PASSWORD, tenantId: newId() }),
      ])
      const answers = attempts.map((response) => {
        const { requestId: _, ...problem } = response.json()
        return { status: response.statusCode, problem }
      })
      expect(answers[0]).toMatchObject({ status: 401, problem: { code: 'unauthenticated' } })
      expect(answers.slice(1)).toEqual(Array.from({ length: 3 }, () => answers[0]))
    })
  })

  describe('refresh', () => {
    it('trades a token for a new pair, once', async () => {
      const session = await TestUser.register(app)
      const first = await post('refresh', { refreshToken: session.refreshToken })
      expect(first.statusCode).toBe(200)
      const pair = tokenPairSchema.parse(first.json())
      expect(pair.refreshToken).not.toBe(session.refreshToken)
      expect((await post('refresh', { refreshToken: pair.refreshToken })).statusCode).toBe(200)
    })

    it.each(['', 'garbage', 'tnr_AAAA', `tnr_${'A'.repeat(64)}`])('refuses %j', async (refreshToken) => {
      const response = await post('refresh', { refreshToken })
      expect(response.statusCode).toBe(refreshToken === '' ? 400 : 401)
    })

    it('keeps only the hash of a token', async () => {
      const rows = await app.sql('SELECT encode(token_hash, $1) AS hash FROM refresh_tokens', ['base64'])
      expect(rows.length).toBeGreaterThan(0)
      expect(JSON.stringify(rows)).not.toContain(user.refreshToken)
    })
  })

  describe('me', () => {
    it('says who one is', async () => {
      const me = meSchema.parse((await getMe(user.accessToken)).json())
      expect(me).toMatchObject({ user: { id: user.userId }, tenant: { id: user.tenantId }, role: 'owner' })
      expect(me.permissions).toContain('runs:write')
    })
  })
})
