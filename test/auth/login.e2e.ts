import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { expectProblem } from '../support/problem.js'
import { TestApp } from '../support/test-app.js'
import { PASSWORD, TestUser } from '../support/test-user.js'

const LOCK_AFTER = 3
const POLL_MS = 20

let app: TestApp

beforeAll(async () => {
  app = await TestApp.start({ env: { LOGIN_LOCKOUT_AFTER_FAILURES: String(LOCK_AFTER) } })
})
afterAll(async () => app[Symbol.asyncDispose]())

function login(email: string, password = PASSWORD, on = app) {
  return on.inject({ method: 'POST', url: '/v1/auth/login', payload: { email, password } })
}

async function fail(email: string, times: number): Promise<void> {
  for (let attempt = 0; attempt < times; attempt++) expect((await login(email, 'wrong')).statusCode).toBe(401)
}

/** As if the wait of every account were over. */
async function letWaitPass(): Promise<void> {
  await app.sql(`UPDATE login_attempts SET locked_until = now() - interval '1 ms' WHERE locked_until IS NOT NULL`)
}

describe('an account whose password is guessed', () => {
  it('waits after too many failures in a row, and the right password waits, too', async () => {
    const user = await TestUser.register(app)
    await fail(user.email, LOCK_AFTER)
    const refused = await login(user.email)
    expectProblem(refused, { status: 429, code: 'rate_limited' })
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(20)
    expect(Number(refused.headers['retry-after'])).toBeLessThanOrEqual(30)
  })

  it('waits twice as long after the next failure', async () => {
    const user = await TestUser.register(app)
    await fail(user.email, LOCK_AFTER)
    await letWaitPass()
    await fail(user.email, 1)
    const seconds = Number((await login(user.email)).headers['retry-after'])
    expect(seconds).toBeGreaterThan(50)
    expect(seconds).toBeLessThanOrEqual(60)
  })

  it('lets its owner in once the wait is over, and forgets the failures', async () => {
    const user = await TestUser.register(app)
    await fail(user.email, LOCK_AFTER)
    await letWaitPass()
    expect((await login(user.email)).statusCode).toBe(200)
    await fail(user.email, LOCK_AFTER - 1)
    expect((await login(user.email)).statusCode).toBe(200)
  })

  it('gives one attempt at the end of a wait, however many come at once', async () => {
    const user = await TestUser.register(app)
    await fail(user.email, LOCK_AFTER)
    await letWaitPass()
    const attempts = await Promise.all(Array.from({ length: 20 }, () => login(user.email, 'wrong')))
    const statuses = attempts.map(({ statusCode }) => statusCode).sort((a, b) => a - b)
    expect(statuses).toEqual([401, ...Array.from({ length: 19 }, () => 429)])
  })

  it('leaves other accounts alone', async () => {
    const [guessed, other] = [await TestUser.register(app), await TestUser.register(app)]
    await fail(guessed.email, LOCK_AFTER)
    expect((await login(other.email)).statusCode).toBe(200)
  })

  it('is not told from an address that nobody has', async () => {
    const user = await TestUser.register(app)
    const addresses = [user.email, 'nobody-at-all@example.com']
    for (const email of addresses) await fail(email, LOCK_AFTER)
    const answers = await Promise.all(addresses.map((email) => login(email)))
    const [known, unknown] = answers.map((answer) => {
      const { requestId: _, ...problem } = answer.json()
      return { status: answer.statusCode, problem, names: Object.keys(answer.headers).sort() }
    })
    expect(known?.status).toBe(429)
    expect(unknown).toEqual(known)
  })

  it('is counted by a hash, never by the address itself', async () => {
    await fail('counted@example.com', 1)
    expect(JSON.stringify(await app.sql('SELECT * FROM login_attempts'))).not.toContain('counted')
  })

  it('signs in a hundred times at once with the right password', async () => {
    const user = await TestUser.register(app)
    const attempts = await Promise.all(Array.from({ length: 100 }, () => login(user.email)))
    expect(new Set(attempts.map(({ statusCode }) => statusCode))).toEqual(new Set([200]))
  })
})

describe('hashing', () => {
  it('takes a bounded queue: over it 503 with Retry-After, and nothing is counted as a failure', async () => {
    await using small = await TestApp.start({
      env: { ARGON2_CONCURRENCY: '1', ARGON2_QUEUE_LIMIT: '2', ARGON2_MEMORY_KIB: '65536' },
    })
    const user = await TestUser.register(small)
    const attempts = await Promise.all(Array.from({ length: 20 }, () => login(user.email, PASSWORD, small)))
    const refused = attempts.filter(({ statusCode }) => statusCode === 503)
    const admitted = attempts.filter(({ statusCode }) => statusCode === 200)
    expect(admitted.length).toBeGreaterThanOrEqual(3)
    expect(refused.length + admitted.length).toBe(20)
    expect(refused.length).toBeGreaterThan(0)
    for (const response of refused) {
      expectProblem(response, { status: 503, code: 'unavailable' })
      expect(response.headers['retry-after']).toBe('1')
    }
    expect((await login(user.email, PASSWORD, small)).statusCode).toBe(200)
    expect(await small.sql('SELECT * FROM login_attempts')).toEqual([])
  })

  it('is done anew at sign-in when the parameters have risen, and the password stays the same', async () => {
    const user = await TestUser.register(app)
    await using stronger = await TestApp.start({ database: app.database, env: { ARGON2_TIME_COST: '3' } })
    const read = async () =>
      (await app.sql('SELECT password_hash FROM credentials WHERE user_id = $1', [user.userId]))[0]?.['password_hash']
    expect(await read()).toMatch(/^\$argon2id\$v=19\$m=8192,p=1,t=1\$/)
    const before = await read()
    expect((await login(user.email, PASSWORD, stronger)).statusCode).toBe(200)
    while ((await read()) === before) await sleep(POLL_MS)
    expect(await read()).toMatch(/^\$argon2id\$v=19\$m=8192,p=1,t=3\$/)
    expect((await login(user.email, PASSWORD, stronger)).statusCode).toBe(200)
    expect((await login(user.email, `${PASSWORD}x`, stronger)).statusCode).toBe(401)
  })
})

describe('a new password', () => {
  const password = 'Another-Horse-43'
  const change = (user: TestUser, payload: object) =>
    user.request({ method: 'POST', url: '/v1/auth/password', payload })

  it('ends every other session and leaves this one', async () => {
    const user = await TestUser.register(app)
    const elsewhere = (await login(user.email)).json()
    const response = await change(user, { currentPassword: PASSWORD, newPassword: password })
    expect([response.statusCode, response.body]).toEqual([204, ''])
    const headers = { authorization: `Bearer ${elsewhere.accessToken}` }
    expect((await app.inject({ url: '/v1/auth/me', headers })).statusCode).toBe(401)
    expect((await user.request({ url: '/v1/auth/me' })).statusCode).toBe(200)
    expect((await login(user.email, password)).statusCode).toBe(200)
    expect((await login(user.email)).statusCode).toBe(401)
  })

  it.each([
    ['/currentPassword', { currentPassword: 'Wrong-Horse-42', newPassword: password }],
    ['/newPassword', { currentPassword: PASSWORD, newPassword: 'Password1234' }],
    ['/newPassword', { currentPassword: PASSWORD, newPassword: 'short' }],
    ['/role', { currentPassword: PASSWORD, newPassword: password, role: 'owner' }],
  ])('is refused with the pointer %s', async (pointer, payload) => {
    const user = await TestUser.register(app)
    expectProblem(await change(user, payload), { status: 400, code: 'validation_failed', pointers: [pointer] })
    expect((await login(user.email)).statusCode).toBe(200)
  })

  it('is set once when two set one at the same time', async () => {
    const user = await TestUser.register(app)
    const answers = await Promise.all(
      ['First-Horse-4711', 'Second-Horse-4711'].map((newPassword) =>
        change(user, { currentPassword: PASSWORD, newPassword }),
      ),
    )
    expect(answers.map(({ statusCode }) => statusCode).sort((a, b) => a - b)).toEqual([204, 400])
  })
})

describe('PATCH me', () => {
  it('changes the name, clears it with null and keeps it when absent', async () => {
    const user = await TestUser.register(app)
    const patch = async (payload: object) =>
      (await user.request({ method: 'PATCH', url: '/v1/auth/me', payload })).json().user.name
    expect(await patch({ name: ' Ada ' })).toBe('Ada')
    expect(await patch({})).toBe('Ada')
    expect(await patch({ name: null })).toBeNull()
  })

  it.each(['email', 'role', 'id', 'tenantId', 'permissions', 'emailVerifiedAt', '__proto__x'])(
    'refuses to set %s',
    async (field) => {
      const user = await TestUser.register(app)
      const response = await user.request({ method: 'PATCH', url: '/v1/auth/me', payload: { [field]: 'owner' } })
      expectProblem(response, { status: 400, code: 'validation_failed', pointers: [`/${field}`] })
    },
  )
})
