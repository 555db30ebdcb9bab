import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals'
import type { LightMyRequestResponse } from 'fastify'
import type { Budget } from '../../src/modules/costs/budgets/budgets.schemas.js'
import { Tx } from '#platform/database/tx.js'
import { eventually } from '../support/eventually.js'
import { expectProblem } from '../support/problem.js'
import { TestApiKey } from '../support/test-api-key.js'
import type { TestUser } from '../support/test-user.js'
import { addAgent, at, begin, getRun, loseLease, type RunLab, whenAsked, whenDone } from '../runs/run-lab.js'
import {
  addBudget,
  ANOTHER,
  deleteBudget,
  DOLLAR_A_TOKEN,
  DOLLAR_A_WORD,
  expectExactCounters,
  FREE,
  getBudget,
  patchBudget,
  startBudgetLab,
  UNPRICED,
  whenSettled,
} from './budget-lab.js'
import { plantProject } from './cost-rows.js'

const RUNS = 100
const ONE_WORD = { limits: { maxTokens: 1 } }

let lab: RunLab
let user: TestUser

beforeAll(async () => {
  // Circuits have tests of their own.
  lab = await startBudgetLab({ replicas: 2, env: { MODEL_CIRCUIT_FAILURES: '1000' } })
})
beforeEach(async () => {
  user = await lab.user()
  lab.simulator.set({ reply: 'word', usage: { promptTokens: 10, completionTokens: 1 } })
})
afterEach(async () => {
  lab.simulator.reset()
  await expectExactCounters(lab.app)
})
afterAll(() => lab?.[Symbol.asyncDispose]())

function run(who: Pick<TestUser, 'request'>, payload: object = {}, agent = 'developer') {
  return who.request({ method: 'POST', url: `/v1/agents/${agent}/run`, payload: { task: 'Say a word.', ...payload } })
}

const statusesOf = (answers: readonly LightMyRequestResponse[]) =>
  answers.map(({ statusCode }) => statusCode).toSorted((a, b) => a - b)
const times = <T>(count: number, value: T): T[] => Array.from({ length: count }, () => value)

describe('a hard budget', () => {
  it('for ten lets in ten of a hundred at once, on two replicas, and refuses the others', async () => {
    const budget = await addBudget(user, { limitUsd: '10' })
    lab.simulator.set({ latencyMs: 1500 })
    const colleagues = lab.replicas.map((replica) => at(replica, user))
    const asked = times(RUNS, 0).map((_, index) => run(colleagues[index % 2]!, ONE_WORD))
    let most = 0
    const watch = setInterval(() => void getBudget(user, budget).then((seen) => (most = Math.max(most, claimed(seen)))))
    const answers = await Promise.all(asked)
    clearInterval(watch)
    expect(statusesOf(answers)).toEqual([...times(10, 200), ...times(RUNS - 10, 402)])
    expect(most).toBeLessThanOrEqual(10)
    expect(most).toBeGreaterThan(0)
    expect(await whenSettled(user, budget)).toMatchObject({ spentUsd: '10', remainingUsd: '0' })
    // Nothing was sent, nor written, for those who were refused.
    expect(lab.simulator.requests).toHaveLength(10)
    expect((await user.request({ url: '/v1/runs/count' })).json()).toEqual({ count: 10 })
  })

  it('goes on, wave after wave, to exactly what fits', async () => {
    const budget = await addBudget(user, { limitUsd: '10' })
    const payload = { limits: { maxTokens: 4 } }
    const admitted: number[] = []
    for (let wave = 0; wave < 9; wave += 1) {
      const answers = await Promise.all(times(4, 0).map(() => run(user, payload)))
      admitted.push(answers.filter(({ statusCode }) => statusCode === 200).length)
      await whenSettled(user, budget)
    }
    // Each asks for four and spends one: the last that fits is the one that leaves three.
    expect(admitted.reduce((sum, count) => sum + count, 0)).toBe(7)
    expect(await getBudget(user, budget)).toMatchObject({ spentUsd: '7', remainingUsd: '3' })
    expect((await run(user, { limits: { maxTokens: 3 } })).statusCode).toBe(200)
  })

  it('says which one has no room, and by how much', async () => {
    const budget = await addBudget(user, { limitUsd: '1.50' })
    expect((await run(user, ONE_WORD)).json()).toMatchObject({ status: 'completed', costUsd: '1' })
    const refused = expectProblem(await run(user, ONE_WORD), { status: 402, code: 'budget_exceeded' })
    expect(refused.detail).toBe(
      `The budget of your team (${budget.id}) has no room for this: 1.5 US dollars for a month, of which 1 are spent and 0 ` +
        'reserved for calls under way; 0.5 are left.',
    )
    expect(lab.simulator.requests).toHaveLength(1)
  })

  it('of nothing lets run what is free, or has no price, and nothing else', async () => {
    await addBudget(user, { limitUsd: '0' })
    expectProblem(await run(user), { status: 402, code: 'budget_exceeded' })
    expect((await run(user, { model: FREE })).json()).toMatchObject({ status: 'completed', costUsd: '0' })
    expect((await run(user, { model: UNPRICED })).json()).toMatchObject({ status: 'completed', costUsd: null })
    // What stands in may cost something.
    await addAgent(user, 'thrifty', { model: FREE, fallbackModels: [DOLLAR_A_WORD] })
    expectProblem(await run(user, {}, 'thrifty'), { status: 402, code: 'budget_exceeded' })
  })

  it('refuses for a project, an agent, a key: whichever has no room', async () => {
    await plantProject(lab.app, { tenantId: user.tenantId, slug: 'website' })
    const key = await TestApiKey.create(lab.app, user, { budgetUsd: '0' })
    const other = await TestApiKey.create(lab.app, user)
    await addAgent(user, 'poor')
    await addBudget(user, { limitUsd: '100' })
    await addBudget(user, { scope: 'project', scopeId: 'website', limitUsd: '0', period: 'day' })
    await addBudget(user, { scope: 'agent', scopeId: 'poor', limitUsd: '0', period: 'week' })
    await addBudget(user, { scope: 'apiKey', scopeId: other.id, limitUsd: '0', period: 'week' })
    const refusal = async (answer: Promise<LightMyRequestResponse>) =>
      expectProblem(await answer, { status: 402, code: 'budget_exceeded' }).detail
    expect(await refusal(run(user, { ...ONE_WORD, project: 'website' }))).toContain('The budget of the project website')
    expect(await refusal(run(user, ONE_WORD, 'poor'))).toContain('The budget of the agent poor')
    expect(await refusal(run(key, ONE_WORD))).toContain(`The budget of the API key ${key.id}`)
    expect(await refusal(run(other, ONE_WORD))).toContain(`The budget of the API key ${other.id}`)
    expect((await run(user, ONE_WORD)).statusCode).toBe(200)
    expect(lab.simulator.requests).toHaveLength(1)
  })

  it('counts the input as well, before it is sent', async () => {
    const budget = await addBudget(user, { limitUsd: '100000' })
    lab.simulator.set({ latencyMs: 300 })
    const id = await begin(user, 'developer', { model: DOLLAR_A_TOKEN, limits: { maxTokens: 5 } })
    const seen = await eventually(
      () => getBudget(user, budget),
      ({ reservedUsd }) => reservedUsd !== '0',
    )
    expect(Number(seen.reservedUsd)).toBeGreaterThan(100)
    await whenDone(user, id)
    expect(await whenSettled(user, budget)).toMatchObject({ spentUsd: '11' })
  })

  it('reserves no more than the model can say, however much it may', async () => {
    await addBudget(user, { limitUsd: '0.05' })
    const answer = await run(user, { model: 'openai/gpt-4o-mini', limits: { maxTokens: 1_000_000 } })
    expect(answer.json()).toMatchObject({ status: 'completed' })
    expect(lab.simulator.requests.map(({ body }) => body['max_tokens'])).toEqual([16_384])
  })

  it('is locked no longer than the commit takes by a run that names its project', async () => {
    await addBudget(user, { limitUsd: '10' })
    await plantProject(lab.app, { tenantId: user.tenantId, slug: 'website' })
    const spy = jest.spyOn(Tx.prototype, 'withCommit')
    expect((await run(user, { ...ONE_WORD, project: 'website' })).statusCode).toBe(200)
    expectProblem(await run(user, { limits: { maxTokens: 10 }, project: 'website' }), {
      status: 402,
      code: 'budget_exceeded',
    })
    expect(spy).toHaveBeenCalledTimes(2)
    spy.mockRestore()
  })

  it("is another's, and nothing to us", async () => {
    await addBudget(await lab.user(), { limitUsd: '0' })
    expect((await run(user, ONE_WORD)).statusCode).toBe(200)
  })

  it('refuses a retry as it does a run', async () => {
    const { id } = (await run(user, ONE_WORD)).json()
    await addBudget(user, { limitUsd: '1.5' })
    const retry = await user.request({ method: 'POST', url: `/v1/runs/${id}/retry` })
    expectProblem(retry, { status: 402, code: 'budget_exceeded' })
  })
})

describe('an answer that nobody has limited', () => {
  const sent = () => lab.simulator.requests.map(({ body }) => body['max_tokens'])

  it('is held to what is reserved for it', async () => {
    const budget = await addBudget(user, { limitUsd: '10000' })
    expect((await run(user)).statusCode).toBe(200)
    expect(sent()).toEqual([4096])
    expect((await whenSettled(user, budget)).spentUsd).toBe('1')
  })

  it('is cut to what the budget has room for, and not below what is worth it', async () => {
    const budget = await addBudget(user, { limitUsd: '300' })
    expect((await run(user)).statusCode).toBe(200)
    await whenSettled(user, budget)
    expect((await run(user)).statusCode).toBe(200)
    expect(sent()).toEqual([300, 299])
    await patchBudget(user, budget, { limitUsd: '257' })
    expectProblem(await run(user), { status: 402, code: 'budget_exceeded' })
    expect(sent()).toHaveLength(2)
  })

  it('reserves no more than its run may cost', async () => {
    const budget = await addBudget(user, { limitUsd: '10' })
    lab.simulator.set({ latencyMs: 300 })
    const id = await begin(user, 'developer', { limits: { maxCostUsd: '3.5' } })
    await eventually(
      () => getBudget(user, budget),
      ({ reservedUsd }) => reservedUsd === '3',
    )
    expect(await whenDone(user, id)).toMatchObject({ status: 'completed' })
    expect(sent()).toEqual([3])
    await whenSettled(user, budget)
    // With no money for a word, nothing is reserved, and nothing said.
    const poor = (await run(user, { limits: { maxCostUsd: '0.5' } })).json()
    expect(poor).toMatchObject({ status: 'failed', error: { code: 'limit_exceeded' } })
    expect(await getBudget(user, budget)).toMatchObject({ spentUsd: '1', reservedUsd: '0' })
  })

  it('is free where nobody counts', async () => {
    await run(user)
    expect(sent()).toEqual([undefined])
  })
})

describe('a soft budget', () => {
  it('lets all through, and counts', async () => {
    const budget = await addBudget(user, { limitUsd: '1', hard: false })
    const answers = await Promise.all(times(3, 0).map(() => run(user, ONE_WORD)))
    expect(statusesOf(answers)).toEqual([200, 200, 200])
    expect(await whenSettled(user, budget)).toMatchObject({ spentUsd: '3', remainingUsd: '0' })
  })

  it('cuts no answer short that the run does not', async () => {
    await addBudget(user, { limitUsd: '1', hard: false })
    await run(user)
    await run(user, { limits: { maxTokens: 7 } })
    expect(lab.simulator.requests.map(({ body }) => body['max_tokens'])).toEqual([undefined, 7])
  })
})

describe('what is reserved', () => {
  it.each<[string, () => Promise<string>]>([
    [
      'of a run that is cancelled',
      async () => {
        lab.simulator.set({ hang: { afterChunks: 1 } })
        const id = await begin(user, 'developer', ONE_WORD)
        await lab.simulator.received(1)
        await user.request({ method: 'POST', url: `/v1/runs/${id}/cancel` })
        return id
      },
    ],
    [
      'of a run that takes too long',
      async () => {
        lab.simulator.set({ hang: { afterChunks: 1 } })
        return begin(user, 'developer', { limits: { maxTokens: 5, timeoutSeconds: 1 } })
      },
    ],
    [
      'of a call that fails',
      async () => {
        lab.simulator.set({ failure: { status: 400 } })
        return begin(user, 'developer', ONE_WORD)
      },
    ],
    [
      'of a call that breaks off',
      async () => {
        lab.simulator.set({ reply: 'one two three', hangUp: { afterChunks: 2 } })
        return begin(user, 'developer', { limits: { maxTokens: 5 } })
      },
    ],
  ])('%s is free again', async (_, end) => {
    const budget = await addBudget(user, { limitUsd: '10' })
    await whenDone(user, await end())
    const { spentUsd } = await whenSettled(user, budget)
    expect(Number(spentUsd)).toBeLessThanOrEqual(5)
  })

  it('is nothing while a run waits for a person, which the budget still has to have room for', async () => {
    const budget = await addBudget(user, { limitUsd: '1' })
    const id = await begin(user, 'developer', { ...ONE_WORD, requireApproval: true })
    const asked = await whenAsked(user, id)
    expect(await getBudget(user, budget)).toMatchObject({ reservedUsd: '0', remainingUsd: '1' })
    const more = { limits: { maxTokens: 2 }, requireApproval: true }
    expectProblem(await run(user, more), { status: 402, code: 'budget_exceeded' })
    await user.request({ method: 'POST', url: `/v1/approvals/${asked.id}/approve` })
    expect(await whenDone(user, id)).toMatchObject({ status: 'completed' })
    expect(await whenSettled(user, budget)).toMatchObject({ spentUsd: '1' })
  })

  it('is gone by the time a run is let go that somebody else has spent the money of: it fails, and nothing is sent', async () => {
    await addBudget(user, { limitUsd: '1' })
    const id = await begin(user, 'developer', { ...ONE_WORD, requireApproval: true })
    const asked = await whenAsked(user, id)
    expect((await run(user, ONE_WORD)).statusCode).toBe(200)
    await user.request({ method: 'POST', url: `/v1/approvals/${asked.id}/approve` })
    expect(await whenDone(user, id)).toMatchObject({ status: 'failed', error: { code: 'budget_exceeded' } })
    expect(lab.simulator.requests).toHaveLength(1)
    const steps = await lab.app.sql(`SELECT kind, status FROM run_steps WHERE run_id = $1 ORDER BY position`, [id])
    expect(steps.at(-1)).toEqual({ kind: 'model', status: 'failed' })
  })

  it('of a worker that is lost is free once its lease is over, and what was in flight is counted', async () => {
    const budget = await addBudget(user, { limitUsd: '10' })
    lab.simulator.set({ hang: { afterChunks: 1 } })
    const id = await begin(user, 'developer', ONE_WORD)
    await lab.simulator.received(1)
    // Nobody takes it up: it is still running, and nothing tells whether its worker lives.
    await lab.app.sql("UPDATE runs SET deadline_at = now() - interval '1 hour' WHERE id = $1", [id])
    await loseLease(lab.app, id)
    expect(await whenDone(user, id)).toMatchObject({ status: 'failed' })
    const { spentUsd } = await whenSettled(user, budget)
    expect(Number(spentUsd)).toBeLessThanOrEqual(10)
  })

  it('of runs that are nowhere any more is swept', async () => {
    const budget = await addBudget(user, { limitUsd: '10' })
    await lab.app.sql(
      `WITH plan AS (SELECT $1::uuid AS tenant_id, $2::uuid AS budget_id)
       , held AS (
         INSERT INTO budget_reservations (tenant_id, run_id, step, budget_id, period_start, amount_usd, created_at)
         SELECT tenant_id, gen_random_uuid(), 1, budget_id, budget_period_start('month', 'UTC', now()), 4, now() - interval '1 minute'
           FROM plan)
       INSERT INTO budget_periods (tenant_id, budget_id, period_start, reserved_usd)
       SELECT tenant_id, budget_id, budget_period_start('month', 'UTC', now()), 4 FROM plan
           ON CONFLICT (tenant_id, budget_id, period_start) DO UPDATE SET reserved_usd = 4`,
      [user.tenantId, budget.id],
    )
    expect((await getBudget(user, budget)).reservedUsd).toBe('4')
    await whenSettled(user, budget)
  })
})

describe('a run of several calls', () => {
  it('reserves for one at a time, and fails before the one that there is no money for', async () => {
    const budget = await addBudget(user, { limitUsd: '600' })
    lab.simulator.set({ toolCalls: [{ name: 'nothing', arguments: {} }], usage: { completionTokens: 200 } })
    const done = await whenDone(user, await begin(user, 'developer'))
    expect(done).toMatchObject({ status: 'failed', error: { code: 'budget_exceeded' }, costUsd: '400' })
    expect(lab.simulator.requests.map(({ body }) => body['max_tokens'])).toEqual([600, 400])
    expect(await whenSettled(user, budget)).toMatchObject({ spentUsd: '400' })
  })

  it('pays nothing for an answer that is known', async () => {
    const budget = await addBudget(user, { limitUsd: '1' })
    const payload = { ...ONE_WORD, cache: 'use' }
    expect((await run(user, payload)).json()).toMatchObject({ costUsd: '1' })
    await patchBudget(user, budget, { limitUsd: '2' })
    expect((await run(user, payload)).json()).toMatchObject({ status: 'completed', cache: 'hit', costUsd: '0' })
    expect(await whenSettled(user, budget)).toMatchObject({ spentUsd: '1' })
  })

  it('has its children pay for themselves', async () => {
    await addAgent(user, 'poor')
    await addAgent(user, 'lead', { delegates: ['poor'] })
    const [ofTenant, ofPoor] = [
      await addBudget(user, { limitUsd: '1000' }),
      await addBudget(user, { scope: 'agent', scopeId: 'poor', limitUsd: '0' }),
    ]
    lab.cast({
      lead: ({ results }) =>
        results.length > 0
          ? { reply: results.join(), usage: { completionTokens: 1 } }
          : {
              toolCalls: [{ name: 'delegate', arguments: { agent: 'poor', task: 'Do it.' } }],
              usage: { completionTokens: 1 },
            },
    })
    const lead = await whenDone(user, await begin(user, 'lead', { limits: { maxTokens: 100 } }))
    expect(lead).toMatchObject({ status: 'completed', costUsd: '2' })
    expect(lead.output?.text).toContain('budget')
    expect(lab.requestsOf('poor')).toEqual([])
    expect(await whenSettled(user, ofTenant)).toMatchObject({ spentUsd: '2' })
    expect(await whenSettled(user, ofPoor)).toMatchObject({ spentUsd: '0' })
  })
})

describe('a call that is tried again', () => {
  const BREAKS = { reply: 'one two three four', hangUp: { afterChunks: 3 } }

  beforeEach(() => addAgent(user, 'stubborn', { fallbackModels: [ANOTHER] }))

  it('is paid for once more, with what the first try has cost, and goes on with what is left', async () => {
    const budget = await addBudget(user, { limitUsd: '10' })
    lab.simulator.next(BREAKS)
    const done = (await run(user, { limits: { maxTokens: 10 } }, 'stubborn')).json()
    expect(done).toMatchObject({ status: 'completed' })
    expect(lab.simulator.requests).toHaveLength(2)
    const [first, second] = lab.simulator.requests.map(({ body }) => Number(body['max_tokens']))
    const { spentUsd } = await whenSettled(user, budget)
    // What was said stays, so that it is not to be said again.
    expect([first, second]).toEqual([10, 10 - (Number(spentUsd) - 1)])
    expect(spentUsd).toBe(done.costUsd)
  })

  it('is not made where it would be too much; what the first try has cost is booked', async () => {
    const budget = await addBudget(user, { limitUsd: '300' })
    lab.simulator.next(BREAKS)
    // JSON cannot be gone on with: all of it is to be said again.
    const payload = { outputSchema: { type: 'object' } }
    const done = (await run(user, payload, 'stubborn')).json()
    expect(done).toMatchObject({ status: 'failed', error: { code: 'budget_exceeded' } })
    expect(lab.simulator.requests).toHaveLength(1)
    const { spentUsd } = await whenSettled(user, budget)
    expect(Number(spentUsd)).toBeGreaterThan(0)
    expect(spentUsd).toBe(done.costUsd)
    await patchBudget(user, budget, { limitUsd: '10000' })
    lab.simulator.next(BREAKS)
    lab.simulator.set({ reply: '{}' })
    expect((await run(user, payload, 'stubborn')).json()).toMatchObject({ status: 'completed' })
  })

  it.each([{ maxCostUsd: '10' }, { maxTokens: 10 }])(
    'stays within %j, with no budget, whatever was said',
    async (limits) => {
      // As it may: all that it is allowed, each time.
      const wordy = { reply: 'word '.repeat(7), hangUp: { afterChunks: 8 } }
      lab.simulator.next(wordy)
      lab.simulator.set({ reply: '{}', usage: ({ body }) => ({ completionTokens: Number(body['max_tokens']) }) })
      const payload = { limits, outputSchema: { type: 'object' } }
      const done = (await run(user, payload, 'stubborn')).json()
      expect(done).toMatchObject({ status: 'completed', costUsd: '10' })
      const [first, second] = lab.simulator.requests.map(({ body }) => Number(body['max_tokens']))
      expect(first).toBe(10)
      expect(second).toBeLessThan(10)
    },
  )

  it.each([{ maxCostUsd: '5' }, { maxTokens: 5 }])('is not made where nothing is left of %j', async (limits) => {
    lab.simulator.set({ reply: 'word '.repeat(9), hangUp: { afterChunks: 10 } })
    const done = (await run(user, { limits, outputSchema: { type: 'object' } }, 'stubborn')).json()
    expect(done).toMatchObject({ status: 'failed', error: { code: 'limit_exceeded' } })
    expect(lab.simulator.requests).toHaveLength(1)
    // What the first try has cost is booked.
    expect(Number(done.costUsd)).toBeGreaterThan(0)
  })

  it('is paid for by nobody where what stands in is free', async () => {
    await addAgent(user, 'saver', { fallbackModels: [FREE] })
    const budget = await addBudget(user, { limitUsd: '10' })
    lab.simulator.next(BREAKS)
    const payload = { limits: { maxTokens: 10 }, outputSchema: { type: 'object' } }
    lab.simulator.set({ reply: '{}' })
    expect((await run(user, payload, 'saver')).json()).toMatchObject({ status: 'completed' })
    await whenSettled(user, budget)
  })
})

describe('changes while runs are under way', () => {
  it('a budget that is made counts each of them exactly once', async () => {
    lab.simulator.set({ latencyMs: 20 })
    const asked = times(40, 0).map((_, index) => run(at(lab.replicas[index % 2]!, user), ONE_WORD))
    const budgets: Budget[] = []
    for (const period of ['day', 'week', 'month', 'total'])
      budgets.push(await addBudget(user, { period, limitUsd: '1000' }))
    await Promise.all(asked)
    for (const budget of budgets) expect(await whenSettled(user, budget)).toMatchObject({ spentUsd: '40' })
  })

  it('a limit that is raised lets in more; a budget that is deleted refuses nobody', async () => {
    const budget = await addBudget(user, { limitUsd: '1' })
    lab.simulator.set({ latencyMs: 300 })
    const under = run(user, ONE_WORD)
    await eventually(
      () => getBudget(user, budget),
      ({ reservedUsd }) => reservedUsd === '1',
    )
    expectProblem(await run(user, ONE_WORD), { status: 402, code: 'budget_exceeded' })
    expect((await patchBudget(user, budget, { limitUsd: '2' })).json()).toMatchObject({ remainingUsd: '1' })
    const another = run(user, ONE_WORD)
    await lab.simulator.received(2)
    expect((await deleteBudget(user, budget)).statusCode).toBe(204)
    expect((await run(user, ONE_WORD)).statusCode).toBe(200)
    expect(statusesOf(await Promise.all([under, another]))).toEqual([200, 200])
    expect(await lab.app.sql('SELECT 1 FROM budget_reservations WHERE tenant_id = $1', [user.tenantId])).toEqual([])
  })

  it('budgets come and go under load, and no run is lost to that', async () => {
    const asked = times(60, 0).map((_, index) => run(at(lab.replicas[index % 2]!, user), ONE_WORD))
    for (let round = 0; round < 5; round += 1) {
      const budget = await addBudget(user, { limitUsd: '1000' })
      await patchBudget(user, budget, { limitUsd: '2000' })
      expect((await deleteBudget(user, budget)).statusCode).toBe(204)
    }
    const answers = await Promise.all(asked)
    expect(answers.map((answer) => answer.json().status)).toEqual(times(60, 'completed'))
  })

  it('a run shows what it has cost, whoever counted it', async () => {
    const { id } = (await run(user, ONE_WORD)).json()
    const budget = await addBudget(user, { period: 'total' })
    expect(budget.spentUsd).toBe((await getRun(user, id)).costUsd)
  })
})

function claimed({ spentUsd, reservedUsd }: Budget): number {
  return Number(spentUsd) + Number(reservedUsd)
}
