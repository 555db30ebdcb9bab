import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals'
import { AppHome, type Exit, PRODUCTION } from '../support/app-process.js'
import { HttpUser } from '../support/http-user.js'
import { createTestDatabase } from '../support/test-database.js'
import { PASSWORD } from '../support/test-user.js'

jest.setTimeout(60_000)
const NEW_PASSWORD = 'Another-Horse-43'
const LINK = /^http:\/\/127\.0\.0\.1:0\/reset-password#token=(tnp_[A-Za-z0-9_-]{43})\n$/
/** In the one's words or in the other's: it depends on how far the first one is. */
const TAKEN = /^temponest: (.* belongs to a team already: .*|This e-mail address is registered already\.)\n$/
const USAGE =
  'temponest: cannot make sense of the arguments: reset-link <email>, or first-owner <email> ["team name"]\n'

let home: AppHome

beforeEach(async () => {
  home = await AppHome.create()
})
afterEach(() => home[Symbol.asyncDispose]())

function account(args: readonly string[], env: Record<string, string> = {}): Promise<Exit> {
  return home.run(['dist/account.js', ...args], env).exit()
}

function post(url: string, payload: object, token?: string): Promise<Response> {
  const headers = {
    'content-type': 'application/json',
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
  }
  return fetch(url, { method: 'POST', headers, body: JSON.stringify(payload) })
}

/** Follows a link that the command printed, and signs in with the new password. */
async function useLink(url: string, { code, stdout, stderr }: Exit, email: string): Promise<SignedIn> {
  expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: expect.stringMatching(LINK), stderr: '' })
  const token = LINK.exec(stdout)?.[1]
  expect((await post(`${url}/v1/auth/password/reset`, { token, password: NEW_PASSWORD })).status).toBe(204)
  const signedIn = await post(`${url}/v1/auth/login`, { email, password: NEW_PASSWORD })
  expect(signedIn.status).toBe(200)
  expect((await post(`${url}/v1/auth/password/reset`, { token, password: PASSWORD })).status).toBe(400)
  return (await signedIn.json()) as SignedIn
}

interface SignedIn {
  readonly accessToken: string
  readonly user: { readonly id: string }
  readonly tenant: { readonly name: string }
  readonly role: string
}

async function whatTheOperatorDid(url: string, { accessToken }: SignedIn): Promise<unknown[]> {
  const headers = { authorization: `Bearer ${accessToken}` }
  const listed = await fetch(`${url}/v1/audit-log?action=authz_admin`, { headers })
  return ((await listed.json()) as { data: unknown[] }).data
}

function refused(line: string): Partial<Exit> {
  return { code: 1, stdout: '', stderr: `temponest: ${line}\n` }
}

describe('account reset-link', () => {
  it('lets a sole owner in again who is locked out, beside the running server and without mail', async () => {
    const server = home.start({ LOGIN_LOCKOUT_AFTER_FAILURES: '2' })
    const url = await server.ready()
    const { email } = await HttpUser.register(url)
    for (const password of ['Wrong-Horse-1', 'Wrong-Horse-2']) await post(`${url}/v1/auth/login`, { email, password })
    expect((await post(`${url}/v1/auth/login`, { email, password: PASSWORD })).status).toBe(429)

    const owner = await useLink(url, await account(['reset-link', email.toUpperCase()]), email)
    expect(owner.role).toBe('owner')
    expect(await whatTheOperatorDid(url, owner)).toEqual([
      expect.objectContaining({
        actor: { type: 'system', id: null },
        resource: { type: 'user', id: owner.user.id },
        after: { resetDelivery: 'operator' },
      }),
    ])
    // The cluster is still the server's, and it stops it.
    expect(home.postgresPids()).toHaveLength(1)
    expect(await server.stop()).toMatchObject({ code: 0 })
    expect(await home.postgresIsGone()).toBe(true)
  })

  it('says in one line that nobody has the address, and stops the database that it started for that', async () => {
    expect(await account(['reset-link', 'nobody@example.com'])).toMatchObject(
      refused('no account has the address nobody@example.com'),
    )
    expect(await home.postgresIsGone()).toBe(true)
  })
})

describe('account first-owner', () => {
  it('makes the first owner of a production server that takes no registrations, once', async () => {
    await using database = await createTestDatabase()
    const env = { ...PRODUCTION, DATABASE_URL: database.url, REGISTRATION: 'closed' }
    const url = await home.start(env).ready()
    const email = 'first@example.com'
    expect((await post(`${url}/v1/auth/register`, { email, password: PASSWORD })).status).toBe(403)

    const twice = await Promise.all([
      account(['first-owner', email, 'The firm'], env),
      account(['first-owner', email], env),
    ])
    const refusals = twice.filter(({ code }) => code !== 0)
    expect(refusals).toEqual([expect.objectContaining({ code: 1, stdout: '', stderr: expect.stringMatching(TAKEN) })])
    expect(await account(['first-owner', email, 'The firm'], env)).toMatchObject(
      refused(`${email} belongs to a team already: reset-link makes a new link for him`),
    )
    const owner = await useLink(url, await account(['reset-link', email], env), email)
    expect(owner.role).toBe('owner')
    expect(home.postgresPids()).toEqual([])
  })

  it('makes it before the first start, with the name that it is given, and writes that down', async () => {
    const email = 'first@example.com'
    const printed = await account(['first-owner', email, 'The firm'], { REGISTRATION: 'invite' })
    const url = await home.start({ REGISTRATION: 'invite' }).ready()
    expect((await post(`${url}/v1/auth/login`, { email, password: PASSWORD })).status).toBe(401)
    const owner = await useLink(url, printed, email)
    expect(owner).toMatchObject({ role: 'owner', tenant: { name: 'The firm' } })
    expect(await whatTheOperatorDid(url, owner)).toEqual([
      expect.objectContaining({
        actor: { type: 'system', id: null },
        resource: { type: 'user', id: owner.user.id },
        after: { role: 'owner', resetDelivery: 'operator' },
      }),
    ])
  })

  it('gives a team to a user who belongs to none, whom reset-link refuses', async () => {
    const url = await home.start().ready()
    const email = 'left@example.com'
    const registered = await post(`${url}/v1/auth/register`, { email: 'boss@example.com', password: PASSWORD })
    const { accessToken } = (await registered.json()) as SignedIn
    const invited = await post(`${url}/v1/invitations`, { email, role: 'member' }, accessToken)
    const { token } = (await invited.json()) as { token: string }
    const accepted = await post(`${url}/v1/invitations/accept`, { token, password: PASSWORD })
    const member = (await accepted.json()) as SignedIn
    const headers = { authorization: `Bearer ${accessToken}` }
    const removed = await fetch(`${url}/v1/members/${member.user.id}`, { method: 'DELETE', headers })
    expect(removed.status).toBe(204)

    expect(await account(['reset-link', email])).toMatchObject(
      refused(`${email} belongs to no team, and could not sign in: first-owner gives him one`),
    )
    const owner = await useLink(url, await account(['first-owner', email]), email)
    expect(owner).toMatchObject({ role: 'owner', user: { id: member.user.id }, tenant: { name: "left's team" } })
  })
})

describe('account', () => {
  it.each([[[]], [['promote', 'a@example.com']], [['reset-link', 'nobody']], [['reset-link', 'a@example.com', 'b']]])(
    'refuses the arguments %j before it touches anything',
    async (args) => {
      expect(await account(args)).toMatchObject({ code: 1, stdout: '', stderr: USAGE })
      expect(home.postgresPids()).toEqual([])
    },
  )

  it('says in one line what is wrong with the settings, or that it cannot reach the database', async () => {
    expect(await account(['reset-link', 'a@example.com'], { NODE_ENV: 'production' })).toMatchObject(
      refused('JWT_SECRET: required when NODE_ENV=production'),
    )
    const DATABASE_URL = 'postgres://a:topsecret@127.0.0.1:1/x'
    expect(await account(['reset-link', 'a@example.com'], { DATABASE_URL })).toMatchObject(
      refused('DATABASE_URL: cannot use 127.0.0.1:1/x: connect ECONNREFUSED 127.0.0.1:1'),
    )
  })
})
