import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { approvalPageSchema, type ApprovalSummary } from '../../src/modules/approvals/approvals.schemas.js'
import { expectProblem } from '../support/problem.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'
import { ask, decide, letTimePass, plantRun, whenDecided } from './asked-approval.js'

let app: TestApp
let owner: TestUser
let runId: string
/** In the order in which they were asked. */
let ids: { pending: string; approved: string; rejected: string; expired: string; ofRun: string }

beforeAll(async () => {
  app = await TestApp.start()
  owner = await TestUser.register(app)
  await ask(app, await TestUser.register(app))
  runId = await plantRun(app, owner.tenantId)
  const [pending, approved, rejected, expired, ofRun] = [
    (await ask(app, owner)).id,
    (await ask(app, owner)).id,
    (await ask(app, owner)).id,
    (await ask(app, owner)).id,
    (await ask(app, { tenantId: owner.tenantId, runId })).id,
  ]
  ids = { pending, approved, rejected, expired, ofRun }
  await decide(owner, 'approve', approved)
  await decide(owner, 'reject', rejected)
  await letTimePass(app, [expired])
  await whenDecided(owner, expired)
})
afterAll(async () => app[Symbol.asyncDispose]())

async function list(query = ''): Promise<{ data: ApprovalSummary[]; nextCursor: string | null }> {
  const response = await owner.request({ url: `/v1/approvals${query}` })
  expect(response.statusCode).toBe(200)
  return approvalPageSchema.parse(response.json())
}
const idsOf = async (query = '') => (await list(query)).data.map(({ id }) => id)

describe('the list', () => {
  it('has the approvals of the tenant, newest first, without their arguments', async () => {
    const { data } = await list()
    expect(data.map(({ id }) => id)).toEqual([ids.ofRun, ids.expired, ids.rejected, ids.approved, ids.pending])
    expect(data.every((approval) => !('arguments' in approval))).toBe(true)
  })

  it('is filtered by status, by run and by both', async () => {
    expect(await idsOf('?status=pending')).toEqual([ids.ofRun, ids.pending])
    expect(await idsOf('?status=approved')).toEqual([ids.approved])
    expect(await idsOf('?status=rejected')).toEqual([ids.rejected])
    expect(await idsOf('?status=expired')).toEqual([ids.expired])
    expect(await idsOf(`?runId=${runId}`)).toEqual([ids.ofRun])
    expect(await idsOf(`?runId=${runId}&status=approved`)).toEqual([])
  })

  it('is paged, and stays so while others ask', async () => {
    const seen: string[] = []
    let query = '?limit=2'
    for (let page = 0; page < 3; page += 1) {
      const response = await owner.request({ url: `/v1/approvals${query}` })
      const { data, nextCursor } = response.json()
      seen.push(...data.map(({ id }: ApprovalSummary) => id))
      expect(response.headers.link === undefined).toBe(nextCursor === null)
      query = `?limit=2&cursor=${nextCursor}`
      if (page === 0) await ask(app, { tenantId: owner.tenantId, runId })
    }
    expect(seen).toEqual([ids.ofRun, ids.expired, ids.rejected, ids.approved, ids.pending])
  })

  it.each([
    ['?status=done', '/status'],
    ['?runId=none', '/runId'],
    ['?limit=101', '/limit'],
    ['?cursor=x', '/cursor'],
    ['?agent=developer', '/agent'],
  ])('refuses %s', async (query, pointer) => {
    const answer = await owner.request({ url: `/v1/approvals${query}` })
    expectProblem(answer, { status: 400, code: 'validation_failed', pointers: [pointer] })
  })
})
