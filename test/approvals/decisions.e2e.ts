import { createHash } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { newId } from '#kernel/ids.js'
import { EventBus } from '#platform/events/event-bus.js'
import { ApprovalDecided } from '#modules/approvals'
import { approvalSchema } from '../../src/modules/approvals/approvals.schemas.js'
import { list as listAudit } from '../audit/audit-trail.js'
import { expectProblem } from '../support/problem.js'
import { recordEvents } from '../support/recorded-events.js'
import { joinTenant, type Requester, TestApiKey } from '../support/test-api-key.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'
import { ask, decide, getApproval, newKey, setPolicy } from './asked-approval.js'

const DECISIONS_AT_ONCE = 20
const VERBS = [
  { verb: 'approve', status: 'approved', isGranted: true },
  { verb: 'reject', status: 'rejected', isGranted: false },
] as const

let app: TestApp
let owner: TestUser

beforeAll(async () => {
  app = await TestApp.start()
})
beforeEach(async () => {
  owner = await TestUser.register(app)
})
afterAll(async () => app[Symbol.asyncDispose]())

describe('a request', () => {
  it('is pending, with what exactly is asked for and under what terms', async () => {
    const { tenantId, userId } = owner
    const events = recordEvents(app)
    const request = { b: [1, { d: 'ö', c: null }], a: 1e21 }
    const asked = await ask(app, { tenantId, arguments: request, requestedBy: userId })
    const approval = approvalSchema.parse(await getApproval(owner, asked.id))
    const canonical = '{"a":1e+21,"b":[1,{"c":null,"d":"ö"}]}'
    expect(approval).toEqual({
      id: asked.id,
      runId: asked.runId,
      agent: 'developer',
      reason: 'tool',
      tool: 'http_request',
      arguments: request,
      argumentsHash: createHash('sha256').update(canonical).digest('hex'),
      status: 'pending',
      requestedBy: userId,
      requesterMayDecide: true,
      defaultDecision: 'reject',
      createdAt: expect.any(String),
      expiresAt: asked.expiresAt.toISOString(),
      decidedBy: null,
      decidedAt: null,
      comment: null,
    })
    expect(asked.argumentsHash).toBe(approval.argumentsHash)
    expect(Date.parse(approval.expiresAt) - Date.parse(approval.createdAt)).toBe(86_400_000)
    expect(events.ofType('approval.')).toMatchObject([
      { type: 'approval.requested', tenantId, facts: { approvalId: asked.id, runId: asked.runId, position: 3 } },
    ])
  })

  it('that nobody could be shown as it is is refused, and leaves nothing behind', async () => {
    const { tenantId } = owner
    await expect(ask(app, { tenantId, arguments: { text: 'a\0b' } })).rejects.toMatchObject({
      code: 'invalid_arguments',
    })
    expect((await owner.request({ url: '/v1/approvals' })).json().data).toEqual([])
  })
})

describe.each(VERBS)('to $verb', ({ verb, status, isGranted }) => {
  it('is done once, and told in the deciding transaction', async () => {
    const { tenantId, userId } = owner
    const asked = await ask(app, { tenantId })
    const events = recordEvents(app)
    const response = await decide(owner, verb, asked.id, { payload: { comment: 'As discussed.' } })
    expect(response.statusCode).toBe(200)
    const approval = approvalSchema.parse(response.json())
    expect(approval).toMatchObject({
      status,
      decidedBy: { userId, apiKeyId: null },
      decidedAt: expect.any(String),
      comment: 'As discussed.',
      arguments: { url: 'https://example.com' },
    })
    expect(await getApproval(owner, asked.id)).toEqual(approval)
    expect(events.ofType('approval.')).toMatchObject([
      {
        type: 'approval.decided',
        tenantId,
        approvalId: asked.id,
        runId: asked.runId,
        position: 3,
        status,
        isGranted,
        decidedBy: { userId, apiKeyId: null },
        comment: 'As discussed.',
        argumentsHash: asked.argumentsHash,
      },
    ])
  })

  it('is too late once somebody has decided, either way', async () => {
    const asked = await ask(app, owner)
    expect((await decide(owner, verb, asked.id)).statusCode).toBe(200)
    const events = recordEvents(app)
    for (const again of VERBS) {
      const problem = expectProblem(await decide(owner, again.verb, asked.id), {
        status: 409,
        code: 'approval_decided',
      })
      expect(problem.detail).toContain(status)
    }
    expect(events.ofType('approval.')).toEqual([])
    expect((await getApproval(owner, asked.id)).status).toBe(status)
  })

  it('is undone with the event that a subscriber refuses', async () => {
    await using other = await TestApp.start({ database: app.database })
    other.nest.get(EventBus).subscribe(ApprovalDecided, async () => {
      throw new Error('no room')
    })
    const asked = await ask(app, owner)
    const answer = await other.inject({
      method: 'POST',
      url: `/v1/approvals/${asked.id}/${verb}`,
      headers: { authorization: `Bearer ${owner.accessToken}` },
    })
    expectProblem(answer, { status: 500, code: 'internal' })
    expect((await getApproval(owner, asked.id)).status).toBe('pending')
  })

  it('needs no comment and no body, and takes nothing else', async () => {
    const [first, second, third] = [await ask(app, owner), await ask(app, owner), await ask(app, owner)]
    expect((await decide(owner, verb, first.id)).json().comment).toBeNull()
    const { paths } = (await app.inject({ url: '/openapi.json' })).json()
    expect(paths[`/v1/approvals/{id}/${verb}`].post.requestBody).toEqual({
      required: false,
      content: { 'application/json': { schema: { $ref: '#/components/schemas/DecideApproval' } } },
    })
    expect((await decide(owner, verb, second.id, { payload: {} })).json().comment).toBeNull()
    const refused = [
      [{ comment: 'x'.repeat(2001) }, '/comment'],
      [{ comment: 'a\0b' }, '/comment'],
      [{ comment: 7 }, '/comment'],
      [{ arguments: {} }, '/arguments'],
      [{ status: 'approved' }, '/status'],
    ] as const
    for (const [payload, pointer] of refused) {
      const answer = await decide(owner, verb, third.id, { payload })
      expectProblem(answer, { status: 400, code: 'validation_failed', pointers: [pointer] })
    }
    const longest = await decide(owner, verb, third.id, { payload: { comment: 'x'.repeat(2000) } })
    expect(longest.statusCode).toBe(200)
  })

  it('is replayed to whoever repeats it with the same key', async () => {
    const asked = await ask(app, owner)
    const events = recordEvents(app)
    const key = newKey()
    const first = await decide(owner, verb, asked.id, { key })
    const second = await decide(owner, verb, asked.id, { key })
    expect([first.statusCode, second.statusCode]).toEqual([200, 200])
    expect(second.json()).toEqual(first.json())
    expect(second.headers['idempotent-replayed']).toBe('true')
    expect(events.ofType('approval.decided')).toHaveLength(1)
    const another = await decide(owner, verb, asked.id, { key, payload: { comment: 'Another.' } })
    expectProblem(another, { status: 422, code: 'idempotency_key_reused' })
  })

  it('is nothing that a GET does', async () => {
    const asked = await ask(app, owner)
    for (const method of ['GET', 'HEAD'] as const) {
      const answer = await owner.request({ method, url: `/v1/approvals/${asked.id}/${verb}` })
      expect([404, 405]).toContain(answer.statusCode)
    }
    expect((await getApproval(owner, asked.id)).status).toBe('pending')
  })

  it('is for who has the permission: an admin, not a member or a viewer', async () => {
    const asked = await ask(app, owner)
    for (const role of ['member', 'viewer']) {
      const person = await joinTenant(app, owner.tenantId, role)
      expectProblem(await decide(person, verb, asked.id), { status: 403, code: 'forbidden' })
      expect((await getApproval(person, asked.id)).status).toBe('pending')
    }
    const key = await TestApiKey.create(app, owner, { scopes: ['approvals:read'] })
    expectProblem(await decide(key, verb, asked.id), { status: 403, code: 'forbidden' })
    const admin = await joinTenant(app, owner.tenantId, 'admin')
    expect((await decide(admin, verb, asked.id)).json().decidedBy).toEqual({ userId: admin.userId, apiKeyId: null })
  })

  it('finds no approval of another tenant, nor one that never was', async () => {
    const stranger = await TestUser.register(app)
    const asked = await ask(app, stranger)
    const ids = [asked.id, newId(), 'none', '%27']
    const answers = await Promise.all(
      ids.flatMap((id) => [decide(owner, verb, id), owner.request({ url: `/v1/approvals/${id}` })]),
    )
    const details = answers.map((answer) => expectProblem(answer, { status: 404, code: 'not_found' }).detail)
    expect(new Set(details).size).toBe(1)
    expect((await getApproval(stranger, asked.id)).status).toBe('pending')
  })
})

describe('many who decide at once', () => {
  it('are one who does, and others who are too late', async () => {
    const asked = await ask(app, owner)
    const events = recordEvents(app)
    const answers = await Promise.all(
      Array.from({ length: DECISIONS_AT_ONCE }, (_, index) =>
        decide(owner, index % 2 === 0 ? 'approve' : 'reject', asked.id),
      ),
    )
    const statuses = answers.map(({ statusCode }) => statusCode).sort((a, b) => a - b)
    expect(statuses).toEqual([200, ...Array.from({ length: DECISIONS_AT_ONCE - 1 }, () => 409)])
    const winner = answers.find(({ statusCode }) => statusCode === 200)
    expect((await getApproval(owner, asked.id)).status).toBe(winner?.json().status)
    expect(events.ofType('approval.decided')).toHaveLength(1)
  })
})

describe('the requester', () => {
  const askedBy = ({ tenantId, userId }: TestUser) => ask(app, { tenantId, requestedBy: userId })

  it('may decide where the tenant does not say otherwise, also by a key', async () => {
    const key = await TestApiKey.create(app, owner, { scopes: ['approvals:write'] })
    const [first, second] = [await askedBy(owner), await askedBy(owner)]
    expect((await decide(owner, 'approve', first.id)).statusCode).toBe(200)
    expect((await decide(key, 'approve', second.id)).json().decidedBy).toEqual({
      userId: owner.userId,
      apiKeyId: key.id,
    })
  })

  it('may not where it does, neither in a session nor by a key of his, while others may', async () => {
    expect((await setPolicy(owner, { requesterMayDecide: false })).statusCode).toBe(200)
    const key = await TestApiKey.create(app, owner, { scopes: ['approvals:write'] })
    const admin = await joinTenant(app, owner.tenantId, 'admin')
    const asked = await askedBy(owner)
    const events = recordEvents(app)
    const attempts: Requester[] = [owner, key]
    for (const requester of attempts) {
      for (const { verb } of VERBS) {
        const problem = expectProblem(await decide(requester, verb, asked.id), { status: 403, code: 'forbidden' })
        expect(problem.detail).toContain('started')
      }
    }
    expect(events.ofType('approval.')).toEqual([])
    expect((await decide(admin, 'approve', asked.id)).statusCode).toBe(200)
    expectProblem(await decide(owner, 'reject', asked.id), { status: 409, code: 'approval_decided' })
  })

  it('is nobody of a run that nobody started', async () => {
    await setPolicy(owner, { requesterMayDecide: false })
    const asked = await ask(app, { tenantId: owner.tenantId, requestedBy: null })
    expect((await decide(owner, 'approve', asked.id)).statusCode).toBe(200)
  })

  it('keeps the terms under which he asked, whatever the tenant says later', async () => {
    const before = await askedBy(owner)
    await setPolicy(owner, { requesterMayDecide: false })
    const after = await askedBy(owner)
    await setPolicy(owner, { requesterMayDecide: true })
    expect((await decide(owner, 'approve', before.id)).statusCode).toBe(200)
    expectProblem(await decide(owner, 'approve', after.id), { status: 403, code: 'forbidden' })
  })
})

describe('the audit log', () => {
  it('has who asked and who decided, with the digest of what it was about', async () => {
    const key = await TestApiKey.create(app, owner, { scopes: ['approvals:write'] })
    const [first, second] = [await ask(app, owner), await ask(app, owner)]
    await decide(owner, 'approve', first.id, { payload: { comment: 'Fine.' } })
    await decide(key, 'reject', second.id)
    const trail = (await listAudit(owner, '?limit=100')).filter(({ resource }) => resource.type === 'approval')
    const entryOf = (action: string, id: string) =>
      trail.find((entry) => entry.action === action && entry.resource.id === id)
    expect(trail).toHaveLength(4)
    expect(entryOf('approval_requested', first.id)).toMatchObject({
      actor: { type: 'system', id: null },
      after: { runId: first.runId, tool: 'http_request', argumentsSha256: first.argumentsHash },
    })
    expect(entryOf('approval_approved', first.id)).toMatchObject({
      actor: { type: 'user', id: owner.userId },
      before: { status: 'pending' },
      after: { status: 'approved', comment: 'Fine.', argumentsSha256: first.argumentsHash },
    })
    expect(entryOf('approval_rejected', second.id)).toMatchObject({ actor: { type: 'api_key', id: key.id } })
  })
})
