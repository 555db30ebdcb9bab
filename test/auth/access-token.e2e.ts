import { createSign, generateKeyPairSync } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { LightMyRequestResponse } from 'fastify'
import { newId } from '#kernel/ids.js'
import { encode, forge, takeApart, type TokenParts } from '../support/jwt.js'
import { expectProblem } from '../support/problem.js'
import { TEST_JWT_SECRET, TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'

const NEXT_SECRET = 'the secret that comes after, of more than 32 characters'

let app: TestApp
let user: TestUser
let other: TestUser
let genuine: TokenParts

beforeAll(async () => {
  app = await TestApp.start()
  user = await TestUser.register(app)
  other = await TestUser.register(app)
  genuine = takeApart(user.accessToken)
})
afterAll(async () => app[Symbol.asyncDispose]())

function getMe(token: string, on: TestApp = app): Promise<LightMyRequestResponse> {
  return on.inject({ url: '/v1/auth/me', headers: { authorization: `Bearer ${token}` } })
}

const now = (): number => Math.floor(Date.now() / 1000)
const withHeader = (header: object, secret?: string | Buffer, hash?: string): string =>
  forge({ ...genuine, header: { ...genuine.header, ...header } }, secret, hash)
const withClaims = (claims: object): string => forge({ ...genuine, claims: { ...genuine.claims, ...claims } })
const rsa = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
})

function signedWithRsa(header: object): string {
  const content = `${encode({ ...genuine.header, ...header })}.${encode(genuine.claims)}`
  return `${content}.${createSign('RSA-SHA256').update(content).sign(rsa.privateKey, 'base64url')}`
}

describe('an access token', () => {
  it('names its algorithm, type and key, and says no role', () => {
    expect(genuine.header).toEqual({ alg: 'HS256', typ: 'at+jwt', kid: expect.any(String) })
    expect(Object.keys(genuine.claims).sort()).toEqual(['aud', 'exp', 'iat', 'iss', 'sid', 'sub', 'tid'])
    expect(Number(genuine.claims['exp']) - Number(genuine.claims['iat'])).toBe(900)
  })

  it('is taken when it is put together again as it was', async () => {
    expect((await getMe(forge(genuine))).statusCode).toBe(200)
  })

  it.each<[string, () => string]>([
    ['no token', () => ''],
    ['a text', () => 'garbage'],
    ['two dots', () => '..'],
    ['four parts', () => `${user.accessToken}.x`],
    ['a token of a refresh', () => user.refreshToken],
    ['alg none, unsigned', () => withHeader({ alg: 'none' }).replace(/[^.]*$/, '')],
    ['alg None, unsigned', () => withHeader({ alg: 'None' }).replace(/[^.]*$/, '')],
    ['alg none, signed', () => withHeader({ alg: 'none' })],
    ['HS256 without a signature', () => user.accessToken.replace(/[^.]*$/, '')],
    ['HS512 with the right secret', () => withHeader({ alg: 'HS512' }, TEST_JWT_SECRET, 'sha512')],
    ['HS384 with the right secret', () => withHeader({ alg: 'HS384' }, TEST_JWT_SECRET, 'sha384')],
    ['RS256 with a key pair of its own', () => signedWithRsa({ alg: 'RS256' })],
    ['RS256 signed, called HS256', () => signedWithRsa({})],
    ['HS256 with a public key as the secret', () => withHeader({}, rsa.publicKey)],
    ['another secret', () => withHeader({}, NEXT_SECRET)],
    ['an empty secret', () => withHeader({}, Buffer.alloc(1))],
    ['no kid', () => withHeader({ kid: undefined })],
    ['a kid of nobody', () => withHeader({ kid: 'nobody' })],
    ['a kid that is a path', () => withHeader({ kid: '../../../../dev/null' }, '')],
    ['a kid that is SQL', () => withHeader({ kid: `x' UNION SELECT 'x' --` }, 'x')],
    ['a kid of the prototype', () => withHeader({ kid: '__proto__' })],
    ['a kid that is a list', () => withHeader({ kid: [genuine.header['kid']] })],
    ['jku', () => withHeader({ jku: 'https://attacker.example/jwks.json' })],
    ['x5u', () => withHeader({ x5u: 'https://attacker.example/cert.pem' })],
    ['jwk', () => withHeader({ jwk: { kty: 'oct', k: 'AAAA' } })],
    ['crit that nobody understands', () => withHeader({ crit: ['exp'], exp: 0 })],
    ['b64 false', () => withHeader({ b64: false })],
    ['zip', () => withHeader({ zip: 'DEF' })],
    ['typ JWT', () => withHeader({ typ: 'JWT' })],
    ['no typ', () => withHeader({ typ: undefined })],
    ['one that has expired', () => withClaims({ exp: now() - 1 })],
    ['one without end', () => withClaims({ exp: undefined })],
    ['an end that is a text', () => withClaims({ exp: '9999999999' })],
    ['one that begins later', () => withClaims({ nbf: now() + 600 })],
    ['another issuer', () => withClaims({ iss: 'someone' })],
    ['no issuer', () => withClaims({ iss: undefined })],
    ['another audience', () => withClaims({ aud: 'other-api' })],
    ['no audience', () => withClaims({ aud: undefined })],
    ['no tenant', () => withClaims({ tid: undefined })],
    ['another tenant', () => withClaims({ tid: other.tenantId })],
    ['another user', () => withClaims({ sub: other.userId })],
    ['another user and his tenant', () => withClaims({ sub: other.userId, tid: other.tenantId })],
    ['a session that never was', () => withClaims({ sid: newId() })],
    ['a user that is SQL', () => withClaims({ sub: `' OR 1=1 --` })],
    ['claims that are a list', () => `${encode(genuine.header)}.${encode([])}.x`],
    ['a header that is no JSON', () => `e30x.${user.accessToken.split('.').slice(1).join('.')}`],
  ])('is refused: %s', async (_, makeToken) => {
    const response = await getMe(makeToken())
    expectProblem(response, { status: 401, code: 'unauthenticated', instance: '/v1/auth/me' })
    expect(response.headers['www-authenticate']).toBe('Bearer realm="temponest"')
  })

  it('gives nobody a role that it claims', async () => {
    await app.sql(`UPDATE memberships SET role = 'viewer' WHERE user_id = $1`, [other.userId])
    const { header, claims } = takeApart(other.accessToken)
    const token = forge({ header, claims: { ...claims, role: 'owner', permissions: ['runs:write'] } })
    const headers = { authorization: `Bearer ${token}` }
    const run = await app.inject({ method: 'POST', url: '/v1/agents/developer/run', headers, payload: { task: 'x' } })
    expectProblem(run, { status: 403, code: 'forbidden' })
    expect((await getMe(token)).json()).toMatchObject({ role: 'viewer' })
    await app.sql(`UPDATE memberships SET role = 'owner' WHERE user_id = $1`, [other.userId])
  })

  it('is refused when a byte of a known one is changed', async () => {
    expect((await getMe(user.accessToken)).statusCode).toBe(200)
    for (const index of [0, 20, 60, user.accessToken.length - 10]) {
      const letter = user.accessToken[index] === 'A' ? 'B' : 'A'
      const changed = user.accessToken.slice(0, index) + letter + user.accessToken.slice(index + 1)
      expect([index, (await getMe(changed)).statusCode]).toEqual([index, 401])
    }
  })

  it.each(['bearer', 'BEARER', 'Bearer '])('may be announced as %j (RFC 9110 §11.1)', async (scheme) => {
    const headers = { authorization: `${scheme} ${user.accessToken}` }
    expect((await app.inject({ url: '/v1/auth/me', headers })).statusCode).toBe(200)
  })

  it.each(['Basic', 'Token', 'Bearer\t', 'BearerX', ''])('is not looked for behind %j', async (scheme) => {
    const headers = { authorization: `${scheme} ${user.accessToken}` }
    expect((await app.inject({ url: '/v1/auth/me', headers })).statusCode).toBe(401)
  })

  it('is not taken from a query, a body or a cookie of another name', async () => {
    const { accessToken: token } = user
    const attempts = await Promise.all([
      app.inject({ url: `/v1/auth/me?access_token=${token}` }),
      app.inject({ method: 'POST', url: '/v1/auth/logout-all', payload: { access_token: token } }),
      app.inject({ url: '/v1/auth/me', cookies: { access_token: token, 'temponest-access': token } }),
    ])
    expect(attempts.map(({ statusCode }) => statusCode)).toEqual([401, 401, 401])
  })
})

describe('the signing key', () => {
  it('can be replaced: what the one before signed is good until it expires, and nothing new is signed with it', async () => {
    await using rotated = await TestApp.start({
      database: app.database,
      env: {
        DATABASE_APP_URL: await appUrlOf(app),
        JWT_SECRET: NEXT_SECRET,
        JWT_PREVIOUS_SECRETS: TEST_JWT_SECRET,
      },
    })
    expect((await getMe(user.accessToken, rotated)).statusCode).toBe(200)
    const fresh = await TestUser.register(rotated)
    expect(takeApart(fresh.accessToken).header['kid']).not.toBe(genuine.header['kid'])
    expect((await getMe(fresh.accessToken, rotated)).statusCode).toBe(200)
    const mixed = forge({ ...takeApart(fresh.accessToken), header: genuine.header }, NEXT_SECRET)
    expect((await getMe(mixed, rotated)).statusCode).toBe(401)
  })
})

/** The role's password follows from the secret where the database has none of its own; a rotation keeps the old one by URL. */
async function appUrlOf({ nest }: TestApp): Promise<string> {
  const { DATABASE_APP_URL } = await import('#platform/database/database.js')
  return nest.get<string>(DATABASE_APP_URL)
}
