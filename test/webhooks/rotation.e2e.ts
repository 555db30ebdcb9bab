import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { newId } from '#kernel/ids.js'
import { WebhookSecrets } from '../../src/modules/webhooks/endpoints/webhook-secrets.service.js'
import { webhookWithSecretSchema } from '../../src/modules/webhooks/endpoints/webhooks.schemas.js'
import { expectProblem } from '../support/problem.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'
import { add, patch, rotate, show } from './endpoint.js'

const HOUR_MS = 3_600_000
const OVERLAP_HOURS = 7
const MAX_PREVIOUS = 10

let app: TestApp
let owner: TestUser
let id: string

beforeAll(async () => {
  app = await TestApp.start({ env: { WEBHOOK_SECRET_OVERLAP_HOURS: String(OVERLAP_HOURS) } })
})
beforeEach(async () => {
  owner = await TestUser.register(app)
  id = (await add(owner)).id
})
afterAll(async () => app[Symbol.asyncDispose]())

const rotated = async (payload?: object) => webhookWithSecretSchema.parse((await rotate(owner, id, payload)).json())

/** The secrets that the database has, as people would see them, the current one first. */
async function storedSecrets(): Promise<string[]> {
  const rows = await app.sql(
    'SELECT * FROM webhook_secrets WHERE webhook_id = $1 ORDER BY expires_at DESC NULLS FIRST, id DESC',
    [id],
  )
  return rows.map((row) => {
    const secret = { tenantId: owner.tenantId, webhookId: id, id: String(row['id']), sealed: row['sealed'] as Buffer }
    return `whsec_${app.nest.get(WebhookSecrets).open(secret).toString('base64')}`
  })
}

describe("rotating a webhook's secret", () => {
  it('makes a new one, beside which the one before signs for the time that is set', async () => {
    const webhook = await add(owner)
    id = webhook.id
    const before = Date.now()
    const answer = await rotate(owner, id)
    const after = Date.now()
    expect([answer.statusCode, answer.headers['cache-control']]).toEqual([200, 'no-store'])
    const { secret, ...shown } = webhookWithSecretSchema.parse(answer.json())
    expect(secret).not.toBe(webhook.secret)
    expect(await storedSecrets()).toEqual([secret, webhook.secret])
    expect(shown.secrets.map((each) => each.id)).toEqual([expect.any(String), webhook.secrets[0]?.id])
    const [current, previous] = shown.secrets
    expect(current?.expiresAt).toBeNull()
    const overlapEnd = Date.parse(previous?.expiresAt ?? '')
    expect(overlapEnd).toBeGreaterThanOrEqual(before + OVERLAP_HOURS * HOUR_MS)
    expect(overlapEnd).toBeLessThanOrEqual(after + OVERLAP_HOURS * HOUR_MS)
    expect(await show(owner, id)).toEqual(shown)
  })

  it('ends those before at once where they have leaked', async () => {
    await rotated()
    await rotated({ revokePrevious: false })
    expect(await storedSecrets()).toHaveLength(3)
    const { secret, secrets } = await rotated({ revokePrevious: true })
    expect(secrets).toEqual([{ id: expect.any(String), createdAt: expect.any(String), expiresAt: null }])
    expect(await storedSecrets()).toEqual([secret])
  })

  it(`keeps at most ${MAX_PREVIOUS} before, and says when there is room again`, async () => {
    for (let time = 0; time < MAX_PREVIOUS; time += 1) await rotated()
    const { secrets } = await show(owner, id)
    expect(secrets).toHaveLength(MAX_PREVIOUS + 1)
    const { detail } = expectProblem(await rotate(owner, id), { status: 409, code: 'secret_limit_reached' })
    expect(detail).toContain(secrets.at(-1)?.expiresAt)
    expect((await show(owner, id)).secrets).toEqual(secrets)
    expect((await rotated({ revokePrevious: true })).secrets).toHaveLength(1)
  })

  it('removes those that have expired, which show nowhere before', async () => {
    for (let time = 0; time < MAX_PREVIOUS; time += 1) await rotated()
    await app.sql(
      `UPDATE webhook_secrets SET expires_at = now() - interval '1 s'
        WHERE (webhook_id, id) IN (SELECT webhook_id, id FROM webhook_secrets WHERE webhook_id = $1 AND expires_at IS NOT NULL
                                    ORDER BY id LIMIT 3)`,
      [id],
    )
    expect((await show(owner, id)).secrets).toHaveLength(1 + MAX_PREVIOUS - 3)
    expect(await storedSecrets()).toHaveLength(1 + MAX_PREVIOUS)
    expect((await rotated()).secrets).toHaveLength(2 + MAX_PREVIOUS - 3)
    expect(await storedSecrets()).toHaveLength(2 + MAX_PREVIOUS - 3)
  })

  it('is done one after the other by those who ask at once', async () => {
    const asked = MAX_PREVIOUS + 2
    const answers = await Promise.all(Array.from({ length: asked }, () => rotate(owner, id)))
    const statuses = answers.map(({ statusCode }) => statusCode).sort((a, b) => a - b)
    expect(statuses).toEqual([...Array.from({ length: MAX_PREVIOUS }, () => 200), 409, 409])
    const { secrets } = await show(owner, id)
    expect(secrets.map(({ expiresAt }) => expiresAt === null)).toEqual([
      true,
      ...Array.from({ length: MAX_PREVIOUS }, () => false),
    ])
    const given = answers.flatMap((answer) => (answer.statusCode === 200 ? [answer.json().secret] : []))
    expect(await storedSecrets()).toEqual(expect.arrayContaining(given))
  })

  it('compresses no answer that holds a secret', async () => {
    const headers = { 'accept-encoding': 'gzip' }
    const url = `/v1/webhooks/${id}`
    expect((await owner.request({ url, headers })).headers['content-encoding']).toBe('gzip')
    const once = { ...headers, 'idempotency-key': newId() }
    for (const replayed of [undefined, 'true']) {
      const answer = await owner.request({ method: 'POST', url: `${url}/rotate-secret`, headers: once })
      expect([answer.statusCode, answer.headers['idempotent-replayed']]).toEqual([200, replayed])
      expect(answer.headers['content-encoding']).toBeUndefined()
      expect(answer.rawPayload.length).toBeGreaterThan(500)
    }
  })

  it('happens once for an Idempotency-Key', async () => {
    const key = newId()
    const [first, again] = [await rotate(owner, id, {}, key), await rotate(owner, id, {}, key)]
    expect([again.statusCode, again.json(), again.headers['idempotent-replayed']]).toEqual([200, first.json(), 'true'])
    expect((await show(owner, id)).secrets).toHaveLength(2)
  })

  it('works on a webhook that is switched off', async () => {
    await patch(owner, id, { active: false })
    expect(await rotated()).toMatchObject({ active: false })
  })

  it.each([
    ['an unknown field', { revoke: true }, '/revoke'],
    ['a word for a truth', { revokePrevious: 'yes' }, '/revokePrevious'],
  ])('refuses %s', async (_, payload, pointer) => {
    const answer = await rotate(owner, id, payload)
    expectProblem(answer, { status: 400, code: 'validation_failed', pointers: [pointer] })
    expect((await show(owner, id)).secrets).toHaveLength(1)
  })
})
