import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { PinoLogger } from 'nestjs-pino'
import { EventBus } from '#platform/events/event-bus.js'
import { ApprovalDecided } from '#modules/approvals'
import { ApprovalDecisions } from '../../src/modules/approvals/approval-decisions.service.js'
import { ApprovalExpiry } from '../../src/modules/approvals/approval-expiry.job.js'
import { ApprovalsRepository } from '../../src/modules/approvals/approvals.repository.js'
import { list as listAudit } from '../audit/audit-trail.js'
import { whenWaiting } from '../support/held-tenant.js'
import { expectProblem } from '../support/problem.js'
import { recordEvents } from '../support/recorded-events.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'
import { ask, decide, getApproval, holdDecision, letTimePass, setPolicy } from './asked-approval.js'

const A_BATCH = 100
const MANY = 2 * A_BATCH + 30
const RACES = 10

let app: TestApp
let replica: TestApp
/** Of both servers, without the timer that they have had: what expires here, a request or a test has made expire. */
let sweeps: ApprovalExpiry[]
let owner: TestUser

beforeAll(async () => {
  app = await TestApp.start()
  replica = await TestApp.start({ database: app.database })
  sweeps = await Promise.all([app, replica].map(takeSweepOver))
})
beforeEach(async () => {
  owner = await TestUser.register(app)
})
afterAll(async () => {
  await replica[Symbol.asyncDispose]()
  await app[Symbol.asyncDispose]()
})

async function takeSweepOver({ nest }: TestApp): Promise<ApprovalExpiry> {
  await nest.get(ApprovalExpiry).beforeApplicationShutdown()
  return new ApprovalExpiry(nest.get(ApprovalsRepository), nest.get(ApprovalDecisions), await nest.resolve(PinoLogger))
}

/** A pass on each server, at the same time. */
async function sweep(): Promise<void> {
  await Promise.all(sweeps.map((job) => job.sweep()))
}

/** The ids of approvals that are told of as decided from now on, on either server. */
function recordDecided(): string[] {
  const ids: string[] = []
  for (const { nest } of [app, replica]) {
    nest.get(EventBus).subscribe(ApprovalDecided, async ({ approvalId }) => void ids.push(approvalId))
  }
  return ids
}

/** Asks the same question so many times more. */
async function copy(id: string, count: number): Promise<string[]> {
  const rows = await app.sql(
    `INSERT INTO approvals (tenant_id, id, run_id, position, agent, reason, arguments, arguments_hash, status, default_decision,
       requester_may_decide, created_at, expires_at)
     SELECT tenant_id, gen_random_uuid(), run_id, n, agent, reason, arguments, arguments_hash, status, default_decision,
            requester_may_decide, created_at, expires_at
       FROM approvals, generate_series(1, $2) AS n WHERE id = $1 RETURNING id`,
    [id, count],
  )
  return rows.map((row) => String(row['id']))
}

async function inMs(id: string, ms: number): Promise<void> {
  await app.sql(`UPDATE approvals SET expires_at = now() + $2 * interval '1 ms' WHERE id = $1`, [id, ms])
}

describe('a decision that comes after the time, and before the sweep', () => {
  it.each([
    { defaultDecision: 'approve', isGranted: true, verb: 'reject' },
    { defaultDecision: 'reject', isGranted: false, verb: 'approve' },
  ] as const)('lets the default stand: $defaultDecision', async ({ defaultDecision, isGranted, verb }) => {
    await setPolicy(owner, { defaultDecision })
    const asked = await ask(app, owner)
    await letTimePass(app, [asked.id])
    expect((await getApproval(owner, asked.id)).status).toBe('pending')
    const events = recordEvents(app)
    const answer = await decide(owner, verb, asked.id)
    expect(expectProblem(answer, { status: 409, code: 'approval_decided' }).detail).toContain('expired')
    expect(await getApproval(owner, asked.id)).toMatchObject({ status: 'expired', decidedBy: null })
    expect(events.ofType('approval.')).toMatchObject([{ status: 'expired', isGranted }])
    const [entry] = await listAudit(owner, '?action=approval_expired')
    expect(entry?.actor).toEqual({ type: 'system', id: null })
  })
})

describe('a pass of the sweep', () => {
  it('expires more than a batch, of all tenants, and only what is past its time', async () => {
    const other = await TestUser.register(app)
    const [mine, open, theirs] = [await ask(app, owner), await ask(app, owner), await ask(app, other)]
    const ids = [mine.id, theirs.id, ...(await copy(mine.id, MANY))]
    await letTimePass(app, ids)
    await sweeps[0]?.sweep()
    const rows = await app.sql('SELECT id, status FROM approvals WHERE id = ANY ($1::uuid[])', [[...ids, open.id]])
    const expired = rows.filter(({ status }) => status === 'expired').map(({ id }) => String(id))
    expect(expired.sort()).toEqual(ids.toSorted())
    expect((await getApproval(owner, open.id)).status).toBe('pending')
  })

  it('expires each approval once, though another replica is at it', async () => {
    const asked = await Promise.all(Array.from({ length: RACES }, () => ask(app, owner)))
    const ids = asked.map(({ id }) => id)
    const decided = recordDecided()
    await letTimePass(app, ids)
    await sweep()
    expect(decided.toSorted()).toEqual(ids.toSorted())
  })

  it('goes on past what cannot be decided, and never rejects', async () => {
    const [stuck, next] = [await ask(app, owner), await ask(app, owner)]
    const allStuck = [stuck.id, ...(await copy(stuck.id, A_BATCH))]
    let isStuck = true
    for (const { nest } of [app, replica]) {
      nest.get(EventBus).subscribe(ApprovalDecided, async ({ runId }) => {
        if (runId === stuck.runId && isStuck) throw new Error('its run cannot be resumed')
      })
    }
    await letTimePass(app, allStuck)
    await letTimePass(app, [next.id])
    await sweep()
    expect((await getApproval(owner, stuck.id)).status).toBe('pending')
    expect((await getApproval(owner, next.id)).status).toBe('expired')
    isStuck = false
    await sweep()
    expect((await getApproval(owner, stuck.id)).status).toBe('expired')
  })
})

describe('a decision and the sweep that meet', () => {
  it('are the decision, where that began in time', async () => {
    const asked = await ask(app, owner)
    const decided = recordDecided()
    await inMs(asked.id, 1000)
    const held = holdDecision(app, asked.id)
    const decision = decide(owner, 'approve', asked.id)
    await held.isHeld
    await app.sql(
      'SELECT pg_sleep(greatest(0, extract(epoch FROM expires_at - now()) + 0.01)) FROM approvals WHERE id = $1',
      [asked.id],
    )
    const swept = sweep()
    await whenWaiting(app, sweeps.length)
    held.letGo()
    expect((await decision).statusCode).toBe(200)
    await swept
    expect((await getApproval(owner, asked.id)).status).toBe('approved')
    expect(decided).toEqual([asked.id])
  })

  it('are the default, where the sweep was first', async () => {
    const asked = await ask(app, owner)
    const decided = recordDecided()
    await letTimePass(app, [asked.id])
    const held = holdDecision(app, asked.id)
    const swept = sweeps[0]?.sweep()
    await held.isHeld
    const decision = decide(owner, 'approve', asked.id)
    await whenWaiting(app, 1)
    held.letGo()
    expectProblem(await decision, { status: 409, code: 'approval_decided' })
    await swept
    expect((await getApproval(owner, asked.id)).status).toBe('expired')
    expect(decided).toEqual([asked.id])
  })

  it('are one of the two whenever they meet, told once', async () => {
    for (let race = 0; race < RACES; race += 1) {
      const asked = await ask(app, owner)
      const decided = recordDecided()
      await inMs(asked.id, 15)
      const [answer] = await Promise.all([decide(owner, 'approve', asked.id), sweep()])
      if (answer.statusCode !== 200) expectProblem(answer, { status: 409, code: 'approval_decided' })
      const { status } = await getApproval(owner, asked.id)
      expect(status).toBe(answer.statusCode === 200 ? 'approved' : 'expired')
      expect(decided).toEqual([asked.id])
    }
  })
})
