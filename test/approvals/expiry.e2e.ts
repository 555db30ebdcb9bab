import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { Database } from '#platform/database/database.js'
import { Approvals } from '#modules/approvals'
import { list as listAudit } from '../audit/audit-trail.js'
import { expectProblem } from '../support/problem.js'
import { recordEvents } from '../support/recorded-events.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'
import {
  ask,
  decide,
  getApproval,
  holdDecision,
  letTimePass,
  plantRun,
  setPolicy,
  whenDecided,
} from './asked-approval.js'

let app: TestApp
let owner: TestUser

beforeAll(async () => {
  app = await TestApp.start()
})
beforeEach(async () => {
  owner = await TestUser.register(app)
})
afterAll(async () => app[Symbol.asyncDispose]())

const DEFAULTS = [
  { defaultDecision: 'approve', isGranted: true },
  { defaultDecision: 'reject', isGranted: false },
] as const

describe('an approval that nobody decides in time', () => {
  it.each(DEFAULTS)('comes to what the tenant says: $defaultDecision', async ({ defaultDecision, isGranted }) => {
    await setPolicy(owner, { defaultDecision })
    const asked = await ask(app, owner)
    const events = recordEvents(app)
    await letTimePass(app, [asked.id])
    const approval = await whenDecided(owner, asked.id)
    expect(approval).toMatchObject({ status: 'expired', decidedBy: null, comment: null, defaultDecision })
    expect(Date.parse(approval.decidedAt ?? '')).toBeGreaterThanOrEqual(Date.parse(approval.expiresAt))
    expect(events.ofType('approval.decided')).toMatchObject([
      { tenantId: owner.tenantId, approvalId: asked.id, status: 'expired', isGranted, decidedBy: null },
    ])
    expectProblem(await decide(owner, 'approve', asked.id), { status: 409, code: 'approval_decided' })
    const [entry] = await listAudit(owner, '?action=approval_expired')
    expect(entry).toMatchObject({
      actor: { type: 'system', id: null },
      resource: { id: asked.id },
      after: { isGranted },
    })
  })

  it('falls to the settings of a server whose tenant says nothing', async () => {
    const env = { APPROVAL_EXPIRES_AFTER_SECONDS: '1', APPROVAL_DEFAULT_DECISION: 'approve' }
    await using other = await TestApp.start({ database: app.database, env })
    const asked = await ask(other, owner)
    const approval = await whenDecided(owner, asked.id)
    expect(approval).toMatchObject({ status: 'expired', defaultDecision: 'approve' })
    expect(Date.parse(approval.decidedAt ?? '')).toBeGreaterThanOrEqual(asked.expiresAt.getTime())
  })
})

describe('a run that ends', () => {
  const withdraw = (runIds: string[], tenantId = owner.tenantId) =>
    app.nest.get(Database).transaction({ tenantId }, (tx) => app.nest.get(Approvals).withdraw(runIds, tx))

  it('takes back what is pending of it, without a decision or an event', async () => {
    const runId = await plantRun(app, owner.tenantId)
    const { tenantId } = owner
    const [pending, decided, elsewhere] = [
      await ask(app, { tenantId, runId }),
      await ask(app, { tenantId, runId }),
      await ask(app, { tenantId }),
    ]
    await decide(owner, 'approve', decided.id)
    const events = recordEvents(app)
    await withdraw([runId])
    await withdraw([])
    expect(await getApproval(owner, pending.id)).toMatchObject({ status: 'expired', decidedBy: null, decidedAt: null })
    expect((await getApproval(owner, decided.id)).status).toBe('approved')
    expect((await getApproval(owner, elsewhere.id)).status).toBe('pending')
    expectProblem(await decide(owner, 'approve', pending.id), { status: 409, code: 'approval_decided' })
    expect(events.ofType('approval.')).toEqual([])
  })

  it('takes back nothing of another tenant', async () => {
    const asked = await ask(app, owner)
    const stranger = await TestUser.register(app)
    await withdraw([asked.runId], stranger.tenantId)
    expect((await getApproval(owner, asked.id)).status).toBe('pending')
  })

  it('does not wait for who is deciding, who may wait for the run', async () => {
    const asked = await ask(app, owner)
    const held = holdDecision(app, asked.id)
    const decision = decide(owner, 'approve', asked.id)
    await held.isHeld
    await withdraw([asked.runId])
    held.letGo()
    expect((await decision).json().status).toBe('approved')
  })
})
