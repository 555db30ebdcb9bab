import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { expectProblem } from '../support/problem.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'
import { add, patch, post, RECEIVER, show } from './endpoint.js'

const BASE = 'https://receiver.invalid/'

let app: TestApp
let owner: TestUser

beforeAll(async () => {
  app = await TestApp.start({ env: { WEBHOOK_ENDPOINTS_MAX: '1000' } })
  owner = await TestUser.register(app)
})
afterAll(async () => app[Symbol.asyncDispose]())

async function expectRefusal(payload: object, pointers: readonly string[]): Promise<string | undefined> {
  const problem = expectProblem(await post(owner, payload), { status: 400, code: 'validation_failed', pointers })
  return problem.errors?.[0]?.detail
}

const REFUSED_URLS: [string, string][] = [
  ['no URL', 'receiver.invalid'],
  ['nothing', ''],
  ['a path', '/hook'],
  ['no host', 'https://'],
  ['a port that is none', 'https://receiver.invalid:99999/'],
  ['another scheme', 'ftp://receiver.invalid/'],
  ['a script', 'javascript:alert(1)'],
  ['a file', 'file:///etc/passwd'],
  ['a user name', 'https://user@receiver.invalid/'],
  ['a password', 'https://user:pass@receiver.invalid/'],
  ['a fragment', 'https://receiver.invalid/#x'],
  ['an empty fragment', 'https://receiver.invalid/#'],
  ['a blank before it', ` ${RECEIVER}`],
  ['a line break in it', `${RECEIVER}\r\nx: y`],
  ['a null character', `${RECEIVER}\u0000`],
  ['half a surrogate pair', `${RECEIVER}\uD800`],
  ['a private address', 'https://10.0.0.1/'],
  ['a loopback address', 'https://127.0.0.1/'],
  ['a loopback address of IPv6', 'https://[::1]/'],
  ['a private address mapped into IPv6', 'https://[::ffff:10.0.0.1]/'],
  ['an address as a number', 'https://2130706433/'],
  ['an address in octal', 'https://0177.0.0.1/'],
  ['the metadata service', 'http://169.254.169.254/latest'],
  ['localhost', 'https://localhost/'],
  ['localhost in capitals', 'https://LOCALHOST/'],
  ['localhost as a full name', 'https://localhost./'],
  ['a name below localhost', 'https://app.localhost/'],
  ['a port for mail', 'https://receiver.invalid:25/'],
  ["a database's port", 'https://receiver.invalid:5432/'],
]

describe('the URL of a webhook', () => {
  it.each(REFUSED_URLS)('must not be or have %s', async (_, url) => {
    await expectRefusal({ url }, ['/url'])
  })

  it('may have a path, a query, a port and a name of any script', async () => {
    for (const url of [`${BASE}a/b?c=d%20e`, 'https://receiver.invalid:8443/', 'https://bücher.invalid/']) {
      expect((await add(owner, { url })).url).toBe(url)
    }
  })

  it('may have 2048 characters, and no more', async () => {
    const longest = BASE + 'a'.repeat(2048 - BASE.length)
    expect((await post(owner, { url: longest })).statusCode).toBe(201)
    await expectRefusal({ url: `${longest}a` }, ['/url'])
  })

  it('is judged when it is changed, too, and then nothing is', async () => {
    const { id } = await add(owner)
    const answer = await patch(owner, id, { url: 'https://localhost/', description: 'changed' })
    expectProblem(answer, { status: 400, code: 'validation_failed', pointers: ['/url'] })
    expect(await show(owner, id)).toMatchObject({ url: RECEIVER, description: null })
  })

  it('may begin with http: where it is no production', async () => {
    expect((await post(owner, { url: 'http://receiver.invalid/' })).statusCode).toBe(201)
  })

  it('must begin with https: in production', async () => {
    const env = { NODE_ENV: 'production', ARGON2_MEMORY_KIB: '19456', ARGON2_TIME_COST: '2' }
    await using production = await TestApp.start({ env, database: app.database })
    const user = await TestUser.register(production)
    const { id } = await add(user)
    const refused = { status: 400, code: 'validation_failed', pointers: ['/url'] }
    const problem = expectProblem(await post(user, { url: 'http://receiver.invalid/' }), refused)
    expect(problem.errors?.[0]?.detail).toBe('The URL must begin with https:.')
    expectProblem(await patch(user, id, { url: 'HTTP://receiver.invalid/' }), refused)
  })

  it('may be localhost where the operator has opened it', async () => {
    const env = { OUTBOUND_ALLOWED_CIDRS: '127.0.0.0/8' }
    await using open = await TestApp.start({ env, database: app.database })
    const user = await TestUser.register(open)
    expect((await post(user, { url: 'http://localhost:3000/hook', active: false })).statusCode).toBe(201)
    expect((await post(user, { url: 'http://localhost:22/hook' })).statusCode).toBe(400)
  })
})

describe('the events of a webhook', () => {
  it.each([
    ['run.complete', 'Unknown event type "run.complete". Did you mean "run.completed"?'],
    ['RUN.COMPLETED', 'Unknown event type "RUN.COMPLETED". Did you mean "run.completed"?'],
    ['apikey.created', 'Unknown event type "apikey.created". Did you mean "apiKey.created"?'],
    ['runs.*', 'Unknown event type "runs.*". Did you mean "run.*"?'],
    ['run', 'Unknown event type "run". Did you mean "run.*"?'],
    ['invoices.*', 'Unknown event type "invoices.*". GET /v1/webhook-events tells them all.'],
    ['', 'Unknown event type "". GET /v1/webhook-events tells them all.'],
    ['*.*', 'Unknown event type "*.*". GET /v1/webhook-events tells them all.'],
    ['__proto__', 'Unknown event type "__proto__". GET /v1/webhook-events tells them all.'],
    ['x'.repeat(10_000), 'Unknown event type.'],
    [null, 'Must be the name of an event type.'],
    [{ type: 'run.completed' }, 'Must be the name of an event type.'],
  ])('are refused where there is none of that name: %j', async (name, detail) => {
    expect(await expectRefusal({ events: ['run.*', name] }, ['/events/1'])).toBe(detail)
  })

  it.each([
    ['none', [], '/events'],
    ['twice the same', ['run.*', 'run.completed', 'run.*'], '/events/2'],
    ['no list', 'run.completed', '/events'],
    ['null', null, '/events'],
  ])('are refused: %s', async (_, events, pointer) => {
    await expectRefusal({ events }, [pointer])
  })

  it('are refused when they are too many, by one complaint', async () => {
    const answer = await post(owner, { events: Array.from({ length: 10_000 }, () => 'run.*') })
    expect(expectProblem(answer, { status: 400, code: 'validation_failed' }).errors).toHaveLength(1)
  })

  it('may be narrow and wide at once', async () => {
    const events = ['run.completed', 'run.*', '*', 'webhook.test']
    expect((await add(owner, { events })).events).toEqual(events)
  })
})

describe('the other fields of a webhook', () => {
  it.each([
    ['an unknown one', { secret: 'whsec_x' }, '/secret'],
    ['no number', { maxPerSecond: '5' }, '/maxPerSecond'],
    ['zero', { maxPerSecond: 0 }, '/maxPerSecond'],
    ['a part of one', { maxPerSecond: 0.5 }, '/maxPerSecond'],
    ['too many', { maxPerSecond: 1001 }, '/maxPerSecond'],
    ['a description of 501 characters', { description: 'a'.repeat(501) }, '/description'],
    ['a null character', { description: 'a\u0000' }, '/description'],
    ['a word for a truth', { active: 'yes' }, '/active'],
  ])('are refused: %s', async (_, payload, pointer) => {
    await expectRefusal(payload, [pointer])
    const { id } = await add(owner)
    const answer = await patch(owner, id, payload)
    expectProblem(answer, { status: 400, code: 'validation_failed', pointers: [pointer] })
  })

  it('may be at their limits, and left out', async () => {
    const most = { maxPerSecond: 1000, description: 'a'.repeat(500), active: false }
    expect(await add(owner, most)).toMatchObject(most)
    const least = { maxPerSecond: null, description: null, active: true }
    expect(await add(owner, { maxPerSecond: null, description: null })).toMatchObject(least)
    expect(await add(owner)).toMatchObject(least)
  })

  it.each([
    ['nothing', {}, ['/url', '/events']],
    ['a list', [], ['']],
  ])('are refused all at once: %s', async (_, payload, pointers) => {
    const answer = await owner.request({ method: 'POST', url: '/v1/webhooks', payload })
    expectProblem(answer, { status: 400, code: 'validation_failed', pointers })
  })
})
