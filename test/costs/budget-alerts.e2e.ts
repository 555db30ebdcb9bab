import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { BudgetAlerts } from '../../src/modules/costs/budgets/budget-alerts.job.js'
import type { Budget } from '../../src/modules/costs/budgets/budgets.schemas.js'
import { eventually } from '../support/eventually.js'
import type { TestUser } from '../support/test-user.js'
import { at, type RunLab } from '../runs/run-lab.js'
import { add } from '../webhooks/endpoint.js'
import { addBudget, expectExactCounters, patchBudget, startBudgetLab, whenSettled } from './budget-lab.js'

const ONE_WORD = { task: 'Say a word.', limits: { maxTokens: 1 } }

let lab: RunLab
let user: TestUser

beforeAll(async () => {
  lab = await startBudgetLab({ replicas: 2 })
})
beforeEach(async () => {
  user = await lab.user()
  await add(user, { events: ['budget.*'] })
  lab.simulator.set({ reply: 'word', usage: { completionTokens: 1 } })
})
afterEach(async () => {
  lab.simulator.reset()
  await expectExactCounters(lab.app)
})
afterAll(() => lab?.[Symbol.asyncDispose]())

/** What receivers are told, in the order in which it was found out. */
async function told(): Promise<{ type: string; data: Record<string, unknown> }[]> {
  const rows = await lab.app.sql(
    `SELECT body FROM webhook_messages WHERE tenant_id = $1 AND type LIKE 'budget.%' ORDER BY created_at, id`,
    [user.tenantId],
  )
  return rows.map(({ body }) => JSON.parse(String(body)))
}

/** All that is to be told has been, once by whoever it was. */
async function whenAllTold(): Promise<string[]> {
  const unannounced = () =>
    lab.app.sql('SELECT 1 FROM budget_alerts WHERE tenant_id = $1 AND announced_at IS NULL', [user.tenantId])
  await eventually(unannounced, ({ length }) => length === 0)
  return (await told())
    .map(({ type, data }) => ('percent' in data ? `${type} ${String(data['percent'])}` : type))
    .sort()
}

function run(payload: object = ONE_WORD) {
  return user.run(payload)
}

async function spend(times: number, budget: Budget): Promise<void> {
  for (let time = 0; time < times; time += 1) await run()
  await whenSettled(user, budget)
}

describe('what a budget tells', () => {
  it('is each threshold, once, and that it is spent', async () => {
    const budget = await addBudget(user, { limitUsd: '4', hard: false, alertPercents: [50, 150] })
    await spend(1, budget)
    expect(await whenAllTold()).toEqual([])
    await spend(1, budget)
    expect(await whenAllTold()).toEqual(['budget.thresholdReached 50'])
    expect((await told())[0]?.data).toEqual({
      budgetId: budget.id,
      scope: 'tenant',
      scopeId: null,
      period: 'month',
      periodStart: budget.periodStart,
      percent: 50,
      limitUsd: '4',
      spentUsd: '2',
    })
    await spend(2, budget)
    expect(await whenAllTold()).toEqual(['budget.exceeded', 'budget.thresholdReached 50'])
    await spend(3, budget)
    expect(await whenAllTold()).toEqual([
      'budget.exceeded',
      'budget.thresholdReached 150',
      'budget.thresholdReached 50',
    ])
  })

  it('is told once though many runs get there together, on two replicas', async () => {
    const budget = await addBudget(user, { limitUsd: '10', hard: false })
    const runs = Array.from({ length: 40 }, (_, index) =>
      at(lab.replicas[index % 2]!, user).request({
        method: 'POST',
        url: '/v1/agents/developer/run',
        payload: ONE_WORD,
      }),
    )
    await Promise.all(runs)
    await whenSettled(user, budget)
    const all = [
      'budget.exceeded',
      'budget.thresholdReached 100',
      'budget.thresholdReached 50',
      'budget.thresholdReached 80',
    ]
    expect(await whenAllTold()).toEqual(all)
  })

  it('is that it has refused, once, though money is left', async () => {
    const budget = await addBudget(user, { limitUsd: '3', alertPercents: [] })
    const tooMuch = { task: 'Say much.', limits: { maxTokens: 4 } }
    const answers = await Promise.all(Array.from({ length: 5 }, () => run(tooMuch)))
    expect(answers.map(({ statusCode }) => statusCode)).toEqual([402, 402, 402, 402, 402])
    expect(await whenAllTold()).toEqual(['budget.exceeded'])
    expect((await told())[0]?.data).toMatchObject({ budgetId: budget.id, spentUsd: '0', limitUsd: '3' })
    await spend(3, budget)
    expect(await whenAllTold()).toEqual(['budget.exceeded'])
  })

  it('is what it has reached when it is made, or is given another limit', async () => {
    await run()
    const budget = await addBudget(user, { limitUsd: '1.8', hard: false, period: 'total' })
    expect(await whenAllTold()).toEqual(['budget.thresholdReached 50'])
    expect((await told())[0]?.data).toMatchObject({ periodStart: null, spentUsd: '1' })
    await patchBudget(user, budget, { limitUsd: '1.2' })
    expect(await whenAllTold()).toEqual(['budget.thresholdReached 50', 'budget.thresholdReached 80'])
  })

  it('is told although the bell was not heard', async () => {
    const budget = await addBudget(user, { limitUsd: '1', hard: false, alertPercents: [] })
    await lab.app.sql(
      `INSERT INTO budget_alerts (tenant_id, budget_id, period_start, kind, percent, spent_usd, reached_at)
       SELECT $1, $2, budget_period_start('month', 'UTC', now()), 'threshold', 50, 0.5, now()`,
      [user.tenantId, budget.id],
    )
    // What the timer does.
    for (const { nest } of lab.replicas) await nest.get(BudgetAlerts).announceAll()
    expect(await whenAllTold()).toEqual(['budget.thresholdReached 50'])
  })
})
