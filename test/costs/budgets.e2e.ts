import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals'
import { setTimeout as sleep } from 'node:timers/promises'
import { newId } from '#kernel/ids.js'
import { Clock } from '#kernel/clock.js'
import { BudgetRecounts } from '../../src/modules/costs/budgets/budget-recounts.service.js'
import { BudgetRemovals } from '../../src/modules/costs/budgets/budget-removals.service.js'
import { TenantsSpendingRules } from '../../src/modules/costs/rules/tenants-spending-rules.service.js'
import { Epochs } from '#platform/cache/epochs.js'
import { BudgetCreated } from '../../src/modules/costs/budgets/budget.events.js'
import { EventBus } from '#platform/events/event-bus.js'
import { Database } from '#platform/database/database.js'
import { add as addProject } from '../projects/project.js'
import { Colleague } from '../support/colleague.js'
import { expectProblem } from '../support/problem.js'
import { type Requester, TestApiKey } from '../support/test-api-key.js'
import { TestUser } from '../support/test-user.js'
import type { RunLab } from '../runs/run-lab.js'
import {
  addBudget,
  deleteBudget,
  expectExactCounters,
  getBudget,
  patchBudget,
  postBudget,
  startBudgetLab,
  whenSettled,
} from './budget-lab.js'
import { plantProject } from './cost-rows.js'

const BUDGETS_MAX = 3
const URL = '/v1/costs/budgets'

let lab: RunLab
let user: TestUser

beforeAll(async () => {
  lab = await startBudgetLab({ env: { BUDGETS_MAX: String(BUDGETS_MAX) } })
})
beforeEach(async () => {
  user = await lab.user()
})
afterEach(async () => {
  lab.simulator.reset()
  await expectExactCounters(lab.app)
})
afterAll(() => lab?.[Symbol.asyncDispose]())

describe('a budget', () => {
  it('is made, shown with where it stands, changed and deleted', async () => {
    const response = await postBudget(user, { limitUsd: '010.50' })
    expect(response.statusCode).toBe(201)
    const budget = response.json()
    expect(budget).toEqual({
      id: expect.any(String),
      scope: 'tenant',
      scopeId: null,
      period: 'month',
      limitUsd: '10.5',
      alertPercents: [50, 80, 100],
      hard: true,
      spentUsd: '0',
      reservedUsd: '0',
      remainingUsd: '10.5',
      periodStart: expect.stringMatching(/^\d{4}-\d\d-01T00:00:00.000Z$/),
      periodEnd: expect.stringMatching(/^\d{4}-\d\d-01T00:00:00.000Z$/),
      forecastUsd: '0',
      createdAt: expect.any(String),
      updatedAt: expect.any(String),
    })
    expect(response.headers['location']).toBe(`${URL}/${budget.id}`)
    expect(await getBudget(user, budget)).toEqual(budget)
    const change = { limitUsd: '3', alertPercents: [90, 10], hard: false }
    const changed = await patchBudget(user, budget, change)
    expect([changed.statusCode, changed.json()]).toEqual([
      200,
      {
        ...budget,
        ...change,
        alertPercents: [10, 90],
        remainingUsd: '3',
        updatedAt: changed.json().updatedAt,
      },
    ])
    expect((await patchBudget(user, budget, {})).json()).toEqual(changed.json())
    expect((await deleteBudget(user, budget)).statusCode).toBe(204)
    expectProblem(await user.request({ url: `${URL}/${budget.id}` }), { status: 404, code: 'not_found' })
    expectProblem(await deleteBudget(user, budget), { status: 404, code: 'not_found' })
    const log: { action: string; resource: { id: string } }[] = (await user.request({ url: '/v1/audit-log' })).json()
      .data
    const ours = log.filter(({ resource }) => resource.id === budget.id)
    expect(ours.map(({ action }) => action)).toEqual(['budget_deleted', 'budget_updated', 'budget_created'])
  })

  it('names a project by slug or id, an agent, a key; or nothing', async () => {
    const projectId = await plantProject(lab.app, { tenantId: user.tenantId, slug: 'website' })
    const [bySlug, byId] = [
      await addBudget(user, { scope: 'project', scopeId: 'website' }),
      await addBudget(user, { scope: 'project', scopeId: projectId, period: 'total' }),
    ]
    expect([bySlug.scopeId, byId.scopeId]).toEqual(['website', projectId])
    expect(byId).toMatchObject({ periodStart: null, periodEnd: null, forecastUsd: null })
    expectProblem(await postBudget(user, { scope: 'project', scopeId: projectId }), {
      status: 409,
      code: 'budget_exists',
    })
    await addBudget(user, { scope: 'agent', scopeId: 'developer' })
  })

  it('is one of a few', async () => {
    for (const period of ['day', 'week', 'month']) await addBudget(user, { period })
    const refused = await postBudget(user, { period: 'total' })
    expect(expectProblem(refused, { status: 400, code: 'validation_failed' }).errors).toMatchObject([
      { detail: `A tenant has at most ${BUDGETS_MAX} budgets: delete one that is not used.` },
    ])
    // Those of keys are not counted.
    await TestApiKey.create(lab.app, user, { budgetUsd: '1' })
    const page = (await user.request({ url: `${URL}?limit=3` })).json()
    expect(page.data.map(({ period }: { period: string }) => period)).toEqual(['total', 'month', 'week'])
    const next = (await user.request({ url: `${URL}?limit=3&cursor=${page.nextCursor}` })).json()
    expect(next).toMatchObject({ data: [{ period: 'day' }], nextCursor: null })
  })

  it('is there once for its scope, target and period', async () => {
    const both = await Promise.all([postBudget(user), postBudget(user)])
    expect(both.map(({ statusCode }) => statusCode).toSorted((a, b) => a - b)).toEqual([201, 409])
    await addBudget(user, { period: 'day' })
  })

  it('is made once for an Idempotency-Key', async () => {
    const post = () =>
      user.request({
        method: 'POST',
        url: URL,
        headers: { 'idempotency-key': 'once' },
        payload: { scope: 'tenant', period: 'day', limitUsd: '1' },
      })
    const [first, again] = [await post(), await post()]
    expect([first.statusCode, again.statusCode, again.json()]).toEqual([201, 201, first.json()])
  })

  it.each<[string, object, string]>([
    ['without a limit', { limitUsd: undefined }, '/limitUsd'],
    ['with a limit that is a number', { limitUsd: 10 }, '/limitUsd'],
    ['with a limit below nothing', { limitUsd: '-1' }, '/limitUsd'],
    ['with a limit in powers of ten', { limitUsd: '1e3' }, '/limitUsd'],
    ['of another period', { period: 'year' }, '/period'],
    ['of another scope', { scope: 'team' }, '/scope'],
    ['of the tenant, with a name', { scopeId: 'x' }, '/scopeId'],
    ['of a project, without one', { scope: 'project' }, '/scopeId'],
    ['of a project that nobody has', { scope: 'project', scopeId: 'nobody' }, '/scopeId'],
    ['of a project by an id that nobody has', { scope: 'project', scopeId: newId() }, '/scopeId'],
    ['of an agent that nobody has', { scope: 'agent', scopeId: 'nobody' }, '/scopeId'],
    ['of a key that is no id', { scope: 'apiKey', scopeId: 'x' }, '/scopeId'],
    ['of a key that nobody has', { scope: 'apiKey', scopeId: newId() }, '/scopeId'],
    ['that tells at nothing', { alertPercents: [0] }, '/alertPercents/0'],
    ['that tells beyond reason', { alertPercents: [1001] }, '/alertPercents/0'],
    ['that tells twice', { alertPercents: [50, 50] }, '/alertPercents'],
    ['that tells too often', { alertPercents: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] }, '/alertPercents'],
    ['with something else', { colour: 'red' }, '/colour'],
  ])('is refused %s', async (_, fields, pointer) => {
    expectProblem(await postBudget(user, fields), { status: 400, code: 'validation_failed', pointers: [pointer] })
  })

  it("of another tenant's is not there, and neither are its project and key", async () => {
    const stranger = await lab.user()
    const budget = await addBudget(user)
    const key = await TestApiKey.create(lab.app, user)
    const projectId = await plantProject(lab.app, { tenantId: user.tenantId, slug: 'secret' })
    for (const answer of [
      await stranger.request({ url: `${URL}/${budget.id}` }),
      await patchBudget(stranger, budget, { limitUsd: '0' }),
      await deleteBudget(stranger, budget),
    ]) {
      expectProblem(answer, { status: 404, code: 'not_found' })
    }
    for (const fields of [
      { scope: 'apiKey', scopeId: key.id },
      { scope: 'project', scopeId: projectId },
      { scope: 'project', scopeId: 'secret' },
    ]) {
      expectProblem(await postBudget(stranger, fields), { status: 400, code: 'validation_failed' })
    }
    expect((await stranger.request({ url: URL })).json()).toEqual({ data: [], nextCursor: null })
    expect(await getBudget(user, budget)).toEqual(budget)
  })

  it('is read by all, and made by administrators', async () => {
    const viewer = await TestUser.join(lab.app, user, 'viewer')
    const budget = await addBudget(user)
    expect(await getBudget(viewer, budget)).toEqual(budget)
    for (const refused of [
      await postBudget(viewer),
      await patchBudget(viewer, budget, {}),
      await deleteBudget(viewer, budget),
    ]) {
      expectProblem(refused, { status: 403, code: 'forbidden' })
    }
  })
})

describe('what is known of budgets', () => {
  const rules = () => lab.app.nest.get(TenantsSpendingRules).of(user.tenantId)
  const isCounted = async (apiKeyId: string | null = null) =>
    (await rules()).hasBudgetFor({ projectId: null, agent: 'developer', apiKeyId })

  it('is true though the answer to the commit was lost', async () => {
    expect(await isCounted()).toBe(false)
    const bus = lab.app.nest.get(EventBus)
    const emit = bus.emit.bind(bus)
    const spy = jest.spyOn(bus, 'emit').mockImplementation(async (event, tx) => {
      const loseAnswer = () => Promise.reject(new Error('Connection terminated unexpectedly'))
      if (event instanceof BudgetCreated) tx.afterCommit(loseAnswer)
      await emit(event, tx)
    })
    expect((await postBudget(user)).statusCode).toBeGreaterThanOrEqual(500)
    spy.mockRestore()
    expect(await isCounted()).toBe(true)
  })

  it('holds the budget of a new API key by the time its maker has the key', async () => {
    await rules()
    const epochs = lab.app.nest.get(Epochs)
    const advance = epochs.advance.bind(epochs)
    const spy = jest.spyOn(epochs, 'advance').mockImplementation(async (names) => {
      await sleep(100)
      await advance(names)
    })
    const key = await TestApiKey.create(lab.app, user, { budgetUsd: '1' })
    expect(await isCounted(key.id)).toBe(true)
    spy.mockRestore()
  })
})

describe('the budget that an API key came with', () => {
  it('is shown, stays as it is, and goes with the key, as do others of the key', async () => {
    const key = await TestApiKey.create(lab.app, user, { budgetUsd: '5' })
    const other = await addBudget(user, { scope: 'apiKey', scopeId: key.id, period: 'day' })
    const list = async () => (await user.request({ url: URL })).json().data
    const [, ofKey] = await list()
    expect(ofKey).toMatchObject({ scope: 'apiKey', scopeId: key.id, period: 'total', limitUsd: '5', hard: true })
    expectProblem(await patchBudget(user, ofKey, { limitUsd: '9' }), { status: 409, code: 'budget_of_api_key' })
    expectProblem(await deleteBudget(user, ofKey), { status: 409, code: 'budget_of_api_key' })
    expect((await patchBudget(user, other, { limitUsd: '9' })).statusCode).toBe(200)
    expect((await user.request({ method: 'DELETE', url: `/v1/api-keys/${key.id}` })).statusCode).toBe(204)
    expect(await list()).toEqual([])
  })
})

describe('for other modules', () => {
  it('budgets are counted anew when the time zone changes, with what is reserved', async () => {
    lab.simulator.set({ reply: 'word', usage: { completionTokens: 3 } })
    const day = await addBudget(user, { period: 'day' })
    await sayThreeWords(user)
    lab.simulator.set({ hang: { afterChunks: 1 } })
    const payload = { task: 'Say three words.', limits: { maxTokens: 3 } }
    const { id } = (await user.run(payload, { prefer: 'respond-async' })).json()
    const { tenantId } = user
    await lab.app.nest.get(Database).transaction({ tenantId }, async (tx) => {
      await tx.execute({
        text: `INSERT INTO cost_policies (tenant_id, timezone, unpriced_models, updated_at) VALUES ($1, $2, 'allow', now())`,
        // Where it is another day whatever the time is here: the sum of the last hours is not the question.
        values: [tenantId, new Date().getUTCHours() < 12 ? 'Pacific/Pago_Pago' : 'Pacific/Kiritimati'],
      })
      lab.app.nest.get(BudgetRecounts).recountAll(tenantId, tx)
    })
    const recounted = await getBudget(user, day)
    expect(recounted.periodStart).not.toBe(day.periodStart)
    expect(recounted.reservedUsd).toBe('3')
    await expectExactCounters(lab.app)
    await user.request({ method: 'POST', url: `/v1/runs/${id}/cancel` })
    await whenSettled(user, day)
  })

  it('those of a project go with it', async () => {
    const { tenantId } = user
    const projectId = await plantProject(lab.app, { tenantId: user.tenantId, slug: 'website' })
    await addBudget(user, { scope: 'project', scopeId: 'website', limitUsd: '0' })
    const other = await addBudget(user)
    const removed = { tenantId, scope: 'project', target: projectId } as const
    const { nest } = lab.app
    await nest.get(Database).transaction({ tenantId }, (tx) => nest.get(BudgetRemovals).removeFor(removed, tx))
    const { data } = (await user.request({ url: URL })).json()
    expect(data.map(({ id }: { id: string }) => id)).toEqual([other.id])
  })
})

describe('a period', () => {
  it.each([
    ['Asia/Kolkata', '2031-03-01T18:29:30Z', '2031-02-28T18:30:00.000Z', '2031-03-01T18:30:00.000Z'],
    // The day on which the clocks go forward has 23 hours.
    ['America/New_York', '2031-03-10T03:59:30Z', '2031-03-09T05:00:00.000Z', '2031-03-10T04:00:00.000Z'],
  ])('is a day of the clock in %s', async (zone, lastMinute, start, end) => {
    await lab.app.sql(
      `INSERT INTO cost_policies (tenant_id, timezone, unpriced_models, updated_at) VALUES ($1, $2, 'allow', now())`,
      [user.tenantId, zone],
    )
    // A session would be over by then.
    const key = await TestApiKey.create(lab.app, user)
    using clock = setClock(lab, lastMinute)
    const budget = await addBudget(key, { period: 'day', limitUsd: '4' })
    expect(budget).toMatchObject({ periodStart: start, periodEnd: end })
    const run = () => sayThreeWords(key)
    lab.simulator.set({ reply: 'one two three', usage: { completionTokens: 3 } })
    expect((await run()).json()).toMatchObject({ status: 'completed', costUsd: '3' })
    expectProblem(await run(), { status: 402, code: 'budget_exceeded' })
    expect((await getBudget(key, budget)).spentUsd).toBe('3')
    clock.set(end)
    expect(await getBudget(key, budget)).toMatchObject({ periodStart: end, spentUsd: '0', remainingUsd: '4' })
    expect((await run()).json()).toMatchObject({ status: 'completed' })
    expect((await getBudget(key, budget)).spentUsd).toBe('3')
    await expectExactCounters(lab.app)
  })

  it('is forecast to its end as it has gone so far', async () => {
    const key = await TestApiKey.create(lab.app, user)
    using clock = setClock(lab, '2031-04-01T00:00:00Z')
    lab.simulator.set({ reply: 'one two three', usage: { completionTokens: 3 } })
    const [month, week] = [await addBudget(key), await addBudget(key, { period: 'week' })]
    await sayThreeWords(key)
    clock.set('2031-04-11T00:00:00Z')
    // A third of the month is over; and another week.
    expect(await getBudget(key, month)).toMatchObject({ spentUsd: '3', forecastUsd: '9' })
    expect(await getBudget(key, week)).toMatchObject({ spentUsd: '0', forecastUsd: '0' })
  })
})

function sayThreeWords(who: Requester) {
  const payload = { task: 'Say three words.', limits: { maxTokens: 3 } }
  return who.request({ method: 'POST', url: '/v1/agents/developer/run', payload })
}

/** All replicas' clocks at once; back to the true time in the end. */
function setClock({ app }: RunLab, at: string) {
  const clock = app.nest.get(Clock)
  const now = { at: new Date(at) }
  const trueNow = clock.now.bind(clock)
  clock.now = () => now.at
  return {
    set: (next: string) => void (now.at = new Date(next)),
    [Symbol.dispose]: () => void (clock.now = trueNow),
  }
}

describe('what a budget counts that is to go', () => {
  it('stays, where it is a project: whoever may delete projects may not change budgets', async () => {
    await addProject(user, { name: 'Website' })
    const budget = await addBudget(user, { scope: 'project', scopeId: 'website', limitUsd: '0' })
    const project = { method: 'DELETE', url: '/v1/projects/website' } as const
    expectProblem(await user.request(project), { status: 409, code: 'project_in_use' })
    expect((await deleteBudget(user, budget)).statusCode).toBe(204)
    expect((await user.request(project)).statusCode).toBe(204)
  })

  it('takes its budgets along, where it is a key of a member who is removed', async () => {
    const colleague = await Colleague.join(lab.app, user, 'member')
    await TestApiKey.create(lab.app, colleague, { budgetUsd: '1' })
    const budgets = async () => (await user.request({ url: URL })).json().data
    expect(await budgets()).toHaveLength(1)
    const { user: member } = (await colleague.request({ url: '/v1/auth/me' })).json()
    expect((await user.request({ method: 'DELETE', url: `/v1/members/${member.id}` })).statusCode).toBe(204)
    expect(await budgets()).toEqual([])
  })
})
