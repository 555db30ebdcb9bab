import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { list as listAudit } from '../audit/audit-trail.js'
import { expectProblem } from '../support/problem.js'
import { joinTenant } from '../support/test-api-key.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'
import { ask, getApproval, setPolicy } from './asked-approval.js'

const POLICY_URL = '/v1/approvals/policy'
const OF_THE_SERVER = { requesterMayDecide: false, expiresAfterSeconds: 600, defaultDecision: 'approve' }
const STRICT = { requesterMayDecide: false, expiresAfterSeconds: 60, defaultDecision: 'reject' } as const

let app: TestApp
let owner: TestUser

beforeAll(async () => {
  app = await TestApp.start({
    env: {
      APPROVAL_REQUESTER_MAY_DECIDE: 'false',
      APPROVAL_EXPIRES_AFTER_SECONDS: '600',
      APPROVAL_DEFAULT_DECISION: 'approve',
    },
  })
})
beforeEach(async () => {
  owner = await TestUser.register(app)
})
afterAll(async () => app[Symbol.asyncDispose]())

describe('the policy', () => {
  it('is what the settings say until the tenant says otherwise, for itself alone', async () => {
    const other = await TestUser.register(app)
    expect((await owner.request({ url: POLICY_URL })).json()).toEqual(OF_THE_SERVER)
    const answer = await setPolicy(owner, STRICT)
    expect([answer.statusCode, answer.json()]).toEqual([200, STRICT])
    expect((await owner.request({ url: POLICY_URL })).json()).toEqual(STRICT)
    expect((await other.request({ url: POLICY_URL })).json()).toEqual(OF_THE_SERVER)
  })

  it('holds for what is asked after it', async () => {
    const before = await ask(app, owner)
    await setPolicy(owner, STRICT)
    const after = await ask(app, owner)
    expect(await getApproval(owner, before.id)).toMatchObject({ requesterMayDecide: false, defaultDecision: 'approve' })
    const approval = await getApproval(owner, after.id)
    expect(approval).toMatchObject({ requesterMayDecide: false, defaultDecision: 'reject' })
    expect(Date.parse(approval.expiresAt) - Date.parse(approval.createdAt)).toBe(60_000)
  })

  it.each([
    [{ requesterMayDecide: 'yes' }, '/requesterMayDecide'],
    [{ expiresAfterSeconds: 0 }, '/expiresAfterSeconds'],
    [{ expiresAfterSeconds: 31_536_001 }, '/expiresAfterSeconds'],
    [{ expiresAfterSeconds: 1.5 }, '/expiresAfterSeconds'],
    [{ defaultDecision: 'expire' }, '/defaultDecision'],
    [{ defaultDecision: undefined }, '/defaultDecision'],
    [{ tenantId: 'x' }, '/tenantId'],
  ])('is refused with %j', async (fields, pointer) => {
    const answer = await setPolicy(owner, fields as object)
    expectProblem(answer, { status: 400, code: 'validation_failed', pointers: [pointer] })
    expect((await owner.request({ url: POLICY_URL })).json()).toEqual(OF_THE_SERVER)
  })

  it('may wait a year at most', async () => {
    expect((await setPolicy(owner, { expiresAfterSeconds: 31_536_000 })).statusCode).toBe(200)
  })

  it('is read by everybody and set by who may configure', async () => {
    for (const role of ['viewer', 'member']) {
      const person = await joinTenant(app, owner.tenantId, role)
      expect((await person.request({ url: POLICY_URL })).statusCode).toBe(200)
      expectProblem(await setPolicy(person), { status: 403, code: 'forbidden' })
    }
    expect((await setPolicy(await joinTenant(app, owner.tenantId, 'admin'), STRICT)).statusCode).toBe(200)
  })

  it('is audited with what it was, each change once, however many come together', async () => {
    await setPolicy(owner, STRICT)
    await setPolicy(owner, STRICT)
    await Promise.all([120, 180].map((expiresAfterSeconds) => setPolicy(owner, { ...STRICT, expiresAfterSeconds })))
    const changes = (await listAudit(owner, '?action=approval_policy_changed')).toReversed()
    const resource = { type: 'approval_policy', id: owner.tenantId }
    expect(changes).toHaveLength(3)
    expect(changes[0]).toMatchObject({
      resource,
      actor: { type: 'user', id: owner.userId },
      before: { expiresAfterSeconds: 600, defaultDecision: 'approve' },
      after: { expiresAfterSeconds: 60, defaultDecision: 'reject' },
    })
    // Whichever was second, it changed what the first had made.
    expect(changes[1]?.before).toEqual({ expiresAfterSeconds: 60 })
    expect(changes[2]?.before).toEqual(changes[1]?.after)
  })
})
