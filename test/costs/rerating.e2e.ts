import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { newId } from '#kernel/ids.js'
import type { AuditedEvent } from '#platform/events/audited-event.js'
import { decide } from '../approvals/asked-approval.js'
import { MAX_LOOKED_AT, MAX_RERATED } from '../../src/modules/costs/rerating/rerating.service.js'
import {
  addAgent,
  approvalsOf,
  begin,
  childrenOf,
  getRun,
  RunLab,
  runToEnd,
  whenDone,
  whenWaiting,
} from '../runs/run-lab.js'
import { Colleague } from '../support/colleague.js'
import { expectProblem } from '../support/problem.js'
import { recordEvents } from '../support/recorded-events.js'
import { withClient } from '../support/test-database.js'
import { TestUser } from '../support/test-user.js'
import { entriesOf, putPrice, rerate, setPrice } from './costs-api.js'

const MODEL = 'openai/house-model'
const OTHER = 'openai/other-model'
const PRICED = 'openai/gpt-4o-mini'
const NEVER = 'openai/nobody-knows'
const DAY_MS = 86_400_000
const PRICE = {
  inputUsdPerMillion: '1.000000000001',
  cachedInputUsdPerMillion: '0.1',
  cacheWriteUsdPerMillion: '1.25',
  outputUsdPerMillion: '7.3',
  reasoningUsdPerMillion: '9.000000000009',
  effectiveFrom: '2020-01-01T00:00:00Z',
}

interface Planted {
  readonly model?: string
  readonly count?: number
  readonly at?: Date
  readonly input?: number
  readonly output?: number
}

let lab: RunLab
let owner: TestUser
let events: ReturnType<typeof recordEvents>

beforeAll(async () => {
  lab = await RunLab.start({ replicas: 2, env: { REDIS_URL: process.env['TEST_REDIS_URL'] ?? '' } })
  events = recordEvents(lab.app)
})
beforeEach(async () => {
  lab.cast({})
  owner = await lab.user()
})
afterAll(() => lab?.[Symbol.asyncDispose]())

/** A finished run without any entry. */
async function emptyRun(user = owner): Promise<string> {
  const id = newId()
  await lab.app.sql(
    `INSERT INTO runs (tenant_id, id, root_run_id, agent, agent_version, status, task, model, input, user_id, created_at)
     VALUES ($1, $2, $2, 'developer', 1, 'completed', 'x', $3, '{}', $4, now())`,
    [user.tenantId, id, MODEL, user.userId],
  )
  return id
}

const PLANT = `INSERT INTO cost_tracking (tenant_id, id, run_id, agent, model, user_id, input_tokens, cached_input_tokens,
         cache_write_tokens, output_tokens, reasoning_tokens, created_at)
  SELECT r.tenant_id, gen_random_uuid(), r.id, r.agent, $2, r.user_id, $5::integer, $5::integer / 10, $5::integer / 20,
         $6::integer, $6::integer / 2, $4::timestamptz + n * interval '1 ms'
    FROM runs r, generate_series(1, $3::integer) AS n WHERE r.id = $1`

function plantedValues(runId: string, { model = MODEL, count = 1, at = new Date(), ...tokens }: Planted): unknown[] {
  return [runId, model, count, at, tokens.input ?? 1000, tokens.output ?? 10]
}

/** Entries without a price, a millisecond after the other. */
async function plant(runId: string, planted: Planted = {}): Promise<void> {
  await lab.app.sql(PLANT, plantedValues(runId, planted))
}

/** The same past all triggers: many at once, for tests that look at no sums. */
async function plantQuietly(runId: string, planted: Planted): Promise<void> {
  await withClient(lab.app.database.url, async (client) => {
    await client.query('SET session_replication_role = replica')
    await client.query(PLANT, plantedValues(runId, planted))
  })
}

/** What reports and budgets say, beside the entries themselves. */
async function sumsOf({ tenantId }: { tenantId: string }): Promise<Record<string, unknown>> {
  const [row] = await lab.app.sql(
    `SELECT trim_scale((SELECT sum(cost_usd) FROM v_cost_summary_hourly WHERE tenant_id = $1)) AS reported,
            (SELECT sum(unpriced)::integer FROM v_cost_summary_hourly WHERE tenant_id = $1) AS "reportedUnpriced",
            (SELECT sum(executions)::integer FROM v_cost_summary_hourly WHERE tenant_id = $1) AS executions,
            (SELECT trim_scale(sum(spent_usd)) FROM budget_periods WHERE tenant_id = $1) AS budget,
            trim_scale(coalesce(sum(cost_usd), 0)) AS booked, (count(*) FILTER (WHERE cost_usd IS NULL))::integer AS unpriced
       FROM cost_tracking WHERE tenant_id = $1`,
    [tenantId],
  )
  return row ?? {}
}

async function addBudget({ tenantId }: TestUser): Promise<void> {
  await lab.app.sql(
    `INSERT INTO budgets (tenant_id, id, scope, target, period, limit_usd, alert_percents, is_hard, created_at, updated_at)
     VALUES ($1, gen_random_uuid(), 'tenant', '', 'total', 1000000, '{50}', false, now(), now())`,
    [tenantId],
  )
}

const inDays = (days: number): Date => new Date(Date.now() + days * DAY_MS)

describe('a re-rating', () => {
  it('is a dry run unless told otherwise, and does to the last digit what that said it would', async () => {
    await addBudget(owner)
    const [one, two] = [await emptyRun(), await emptyRun()]
    await plant(one, { count: 3, input: 777_777, output: 333 })
    await plant(two, { count: 2, model: OTHER })
    await plant(two, { model: NEVER })
    await setPrice(owner, MODEL, PRICE)
    await setPrice(owner, OTHER, { ...PRICE, inputUsdPerMillion: '0.5' })

    const expected = {
      entries: 6,
      rerated: 5,
      stillUnpriced: 1,
      runs: 2,
      nextFrom: null,
      byModel: [
        { model: MODEL, entries: 3, rerated: 3, costUsd: expect.any(String) },
        { model: NEVER, entries: 1, rerated: 0, costUsd: '0' },
        { model: OTHER, entries: 2, rerated: 2, costUsd: expect.any(String) },
      ],
    }
    const dry = await rerate(owner)
    expect(dry).toMatchObject({ ...expected, dryRun: true })
    // Each: 661112 × 1.000000000001 + 77777 × 0.1 + 38888 × 1.25 + 167 × 7.3 + 166 × 9.000000000009 millionths of a dollar.
    expect(dry.byModel[0]?.costUsd).toBe('2.160638400001987818')
    expect(await sumsOf(owner)).toMatchObject({ booked: '0', unpriced: 6, reportedUnpriced: 6 })
    expect(await rerate(owner)).toEqual(dry)

    expect(await rerate(owner, { dryRun: false })).toEqual({ ...dry, dryRun: false })
    expect(await sumsOf(owner)).toEqual({
      reported: dry.totalUsd,
      budget: dry.totalUsd,
      booked: dry.totalUsd,
      unpriced: 1,
      reportedUnpriced: 1,
      executions: 6,
    })
    expect(await entriesOf(lab.app, owner, one)).toMatchObject(
      Array.from({ length: 3 }, () => ({
        input_usd_per_million: '1.000000000001',
        cached_input_usd_per_million: '0.1',
        cache_write_usd_per_million: '1.25',
        output_usd_per_million: '7.3',
        reasoning_usd_per_million: '9.000000000009',
      })),
    )
  })

  it('finds nothing when it is done again', async () => {
    await plant(await emptyRun())
    await setPrice(owner, MODEL, PRICE)
    expect(await rerate(owner, { dryRun: false })).toMatchObject({ rerated: 1 })
    await setPrice(owner, MODEL, { ...PRICE, inputUsdPerMillion: '500', effectiveFrom: '2021-01-01T00:00:00Z' })
    const before = await entriesOf(lab.app, owner)
    expect(await rerate(owner, { dryRun: false })).toMatchObject({ entries: 0, rerated: 0, totalUsd: '0', byModel: [] })
    expect(await entriesOf(lab.app, owner)).toEqual(before)
    await expect(
      lab.app.sql('UPDATE cost_tracking SET cost_usd = 1 WHERE tenant_id = $1', [owner.tenantId]),
    ).rejects.toThrow('an entry keeps the price that it was made with')
  })

  it('counts each entry once, however many of it there are at a time, on whichever replica', async () => {
    await addBudget(owner)
    await plant(await emptyRun(), { count: 700 })
    await setPrice(owner, MODEL, PRICE)
    const dry = await rerate(owner)
    const answers = await Promise.all(
      Array.from({ length: 6 }, (_, index) => {
        const app = lab.replicas[index % 2] ?? lab.app
        const headers = { authorization: `Bearer ${owner.accessToken}` }
        return app.inject({ method: 'POST', url: '/v1/costs/rerate', headers, payload: { dryRun: false } })
      }),
    )
    expect(answers.map(({ statusCode }) => statusCode)).toEqual(answers.map(() => 200))
    expect(answers.reduce((sum, answer) => sum + answer.json().rerated, 0)).toBe(700)
    const { totalUsd } = dry
    expect(await sumsOf(owner)).toMatchObject({ booked: totalUsd, reported: totalUsd, budget: totalUsd, unpriced: 0 })
  })

  it('takes the price that is said to have held when an entry was booked', async () => {
    const runId = await emptyRun()
    for (const days of [-40, -20, -5]) await plant(runId, { at: inDays(days), input: 1_000_000, output: 0 })
    const from = (days: number, price: string) =>
      putPrice(owner, MODEL, {
        inputUsdPerMillion: price,
        outputUsdPerMillion: '1',
        effectiveFrom: inDays(days).toISOString(),
      })
    await from(-10, '3')
    await from(-30, '2')
    await from(1, '9')
    expect(await rerate(owner, { dryRun: false })).toMatchObject({ rerated: 2, stillUnpriced: 1, totalUsd: '5' })
    expect((await entriesOf(lab.app, owner)).map((row) => row['cost_usd'])).toEqual([null, '2', '3'])
    expect((await getRun(owner, runId)).costUsd).toBeNull()
    await from(-50, '1')
    expect(await rerate(owner, { dryRun: false })).toMatchObject({ rerated: 1, totalUsd: '1' })
    expect((await getRun(owner, runId)).costUsd).toBe('6')
  })

  it('takes what is asked for: a time and models', async () => {
    const runId = await emptyRun()
    await plant(runId, { at: new Date('2026-03-01T00:00:00Z') })
    await plant(runId, { at: new Date('2026-03-02T00:00:00Z') })
    await plant(runId, { at: new Date('2026-03-02T00:00:00Z'), model: OTHER })
    for (const model of [MODEL, OTHER]) await setPrice(owner, model, PRICE)
    const found = async (command: object) =>
      (await rerate(owner, command)).byModel.map((row) => [row.model, row.rerated])
    expect(await found({ from: '2026-03-02T00:00:00.001Z' })).toEqual([
      [MODEL, 1],
      [OTHER, 1],
    ])
    expect(await found({ to: '2026-03-02T01:00:00.001+01:00' })).toEqual([[MODEL, 1]])
    expect(await found({ models: [OTHER] })).toEqual([[OTHER, 1]])
    expect(await found({ from: '2026-03-03T00:00:00Z' })).toEqual([])
  })

  it('leaves alone what other tenants have booked, whoever knows a price', async () => {
    const stranger = await lab.user()
    await plant(await emptyRun(stranger))
    await plant(await emptyRun())
    await setPrice(owner, MODEL, PRICE)
    expect(await rerate(owner, { dryRun: false })).toMatchObject({ entries: 1, rerated: 1 })
    expect(await sumsOf(stranger)).toMatchObject({ unpriced: 1, reportedUnpriced: 1, booked: '0' })
    expect(await rerate(stranger, { dryRun: false })).toMatchObject({ entries: 1, stillUnpriced: 1 })
  })

  it('does so much at a time, and says where to go on', async () => {
    const count = MAX_RERATED + 300
    await plant(await emptyRun(), { count, at: new Date('2026-03-01T00:00:00Z') })
    await setPrice(owner, MODEL, PRICE)
    const dry = await rerate(owner)
    expect(dry).toMatchObject({ rerated: MAX_RERATED, nextFrom: '2026-03-01T00:00:05.000Z' })
    const first = await rerate(owner, { dryRun: false })
    expect(first).toEqual({ ...dry, dryRun: false })
    expect(await sumsOf(owner)).toMatchObject({ unpriced: 300 })
    const rest = await rerate(owner, { dryRun: false, from: first.nextFrom })
    expect(rest).toMatchObject({ rerated: 300, nextFrom: null })
    expect(await sumsOf(owner)).toMatchObject({ unpriced: 0, reportedUnpriced: 0, executions: count })
  })

  it.each<[string, Planted, object]>([
    ['nobody knows a price of', { model: NEVER }, { entries: MAX_LOOKED_AT }],
    ['was not asked for', { model: OTHER }, { entries: 0 }],
    ['nobody counted', { input: 0, output: 0 }, { entries: 0 }],
  ])('goes on behind what %s', async (_what, planted, expected) => {
    const runId = await emptyRun()
    await plantQuietly(runId, { ...planted, count: MAX_LOOKED_AT, at: new Date('2026-03-01T00:00:00Z') })
    await plant(runId, { at: new Date('2026-03-02T00:00:00Z') })
    for (const model of [MODEL, OTHER]) await setPrice(owner, model, PRICE)
    const command = { dryRun: false, models: [MODEL, NEVER] }
    const first = await rerate(owner, command)
    expect(first).toMatchObject({ ...expected, rerated: 0, nextFrom: expect.any(String) })
    expect(await rerate(owner, { ...command, from: first.nextFrom })).toMatchObject({ rerated: 1, nextFrom: null })
  })

  it('is written down, batch by batch, in the commit of each', async () => {
    await plant(await emptyRun(), { count: 300 })
    await setPrice(owner, MODEL, PRICE)
    const { totalUsd } = await rerate(owner, { dryRun: false })
    const told = events.ofType('costs.rerated').filter(({ tenantId }) => tenantId === owner.tenantId) as AuditedEvent[]
    expect(told.map(({ audit }) => [audit.action, audit.after?.['entries'], audit.after?.['models']])).toEqual([
      ['costs_rerated', 250, [MODEL]],
      ['costs_rerated', 50, [MODEL]],
    ])
    const sum = (await lab.app.sql(
      `SELECT trim_scale(sum((after ->> 'costUsd')::numeric)) AS total FROM audit_log WHERE tenant_id = $1 AND action = 'costs_rerated'`,
      [owner.tenantId],
    )) as { total: string }[]
    expect(sum[0]?.total).toBe(totalUsd)
  })

  it('answers a repeated request as it answered the first', async () => {
    await plant(await emptyRun())
    await setPrice(owner, MODEL, PRICE)
    const ask = () =>
      owner.request({
        method: 'POST',
        url: '/v1/costs/rerate',
        headers: { 'idempotency-key': 'once' },
        payload: { dryRun: false },
      })
    const [first, again] = [await ask(), await ask()]
    expect(again.headers['idempotent-replayed']).toBe('true')
    expect(again.json()).toEqual(first.json())
    expect(first.json()).toMatchObject({ rerated: 1 })
  })

  it.each<[string, object, string[]]>([
    ['an end before its beginning', { from: '2026-03-02T00:00:00Z', to: '2026-03-01T00:00:00Z' }, ['/to']],
    ['a day for a moment', { from: '2026-03-02' }, ['/from']],
    ['no models', { models: [] }, ['/models']],
    ['something that is no model', { models: ['gpt'] }, ['/models/0']],
    ['a word for yes', { dryRun: 'no' }, ['/dryRun']],
    ['an unknown field', { apply: true }, ['/apply']],
  ])('with %s is refused', async (_what, payload, pointers) => {
    const response = await owner.request({ method: 'POST', url: '/v1/costs/rerate', payload })
    expectProblem(response, { status: 400, code: 'validation_failed', pointers })
  })

  it('is for owners and admins', async () => {
    const ask = (by: Colleague) => by.request({ method: 'POST', url: '/v1/costs/rerate', payload: {} })
    expect((await ask(await Colleague.join(lab.app, owner, 'admin'))).statusCode).toBe(200)
    for (const role of ['member', 'viewer'] as const) {
      expectProblem(await ask(await Colleague.join(lab.app, owner, role)), { status: 403, code: 'forbidden' })
    }
  })
})

describe('a run that was re-rated', () => {
  const USAGE = { promptTokens: 1000, cachedTokens: 100, completionTokens: 10 }

  it('has its cost, and all that gave it work have the sum, once nothing below them is without a price', async () => {
    const delegate = (agent: string) => ({ name: 'delegate', arguments: { agent, task: 'Do it.' } })
    await addAgent(owner, 'first', { model: MODEL })
    await addAgent(owner, 'second', { model: OTHER })
    await addAgent(owner, 'boss', { model: PRICED, delegates: ['first', 'second'] })
    lab.cast({
      boss: ({ results }) =>
        results.length === 0
          ? { toolCalls: [delegate('first'), delegate('second')], usage: USAGE }
          : { reply: 'Done.', usage: USAGE },
      first: () => ({ reply: 'One.', usage: USAGE }),
      second: () => ({ reply: 'Two.', usage: USAGE }),
    })
    const parent = await runToEnd(owner, 'boss')
    expect(parent).toMatchObject({ status: 'completed', costUsd: null })
    const costs = async () => {
      const runs = [await getRun(owner, parent.id), ...(await childrenOf(owner, parent.id))]
      return Object.fromEntries(runs.map(({ agent, costUsd }) => [agent, costUsd]))
    }
    await setPrice(owner, MODEL, {
      inputUsdPerMillion: '1',
      outputUsdPerMillion: '1',
      effectiveFrom: '2020-01-01T00:00:00Z',
    })
    expect(await rerate(owner, { dryRun: false })).toMatchObject({ rerated: 1, stillUnpriced: 1, runs: 1 })
    expect(await costs()).toEqual({ boss: null, first: '0.00101', second: null })
    await setPrice(owner, OTHER, {
      inputUsdPerMillion: '2',
      outputUsdPerMillion: '2',
      effectiveFrom: '2020-01-01T00:00:00Z',
    })
    await rerate(owner, { dryRun: false })
    // The boss asked twice: 900 × 0.15 + 100 × 0.075 + 10 × 0.6 millionths.
    expect(await costs()).toEqual({ boss: '0.003327', first: '0.00101', second: '0.00202' })
    const [steps] = await lab.app.sql(
      `SELECT trim_scale(sum(cost_usd)) AS sum, count(cost_usd)::integer AS count FROM run_steps
        WHERE tenant_id = $1 AND kind = 'model'`,
      [owner.tenantId],
    )
    expect(steps).toEqual({ sum: '0.003327', count: 4 })
  })

  it('while it waits, ends with the sum of what it was re-rated to and what came after', async () => {
    const guarded = { tool: 'http_request', config: { hosts: ['tools.invalid'] }, requireApproval: true }
    await addAgent(owner, 'asking', { model: MODEL, tools: [guarded] })
    const call = { name: 'http_request', arguments: { method: 'GET', url: 'https://tools.invalid/' } }
    lab.cast({
      asking: ({ results }) => ({
        ...(results.length === 0 ? { toolCalls: [call] } : { reply: 'Done.' }),
        usage: USAGE,
      }),
    })
    const id = await begin(owner, 'asking')
    await whenWaiting(owner, id)
    await setPrice(owner, MODEL, {
      inputUsdPerMillion: '1',
      outputUsdPerMillion: '1',
      effectiveFrom: '2020-01-01T00:00:00Z',
    })
    await rerate(owner, { dryRun: false })
    expect((await getRun(owner, id)).costUsd).toBe('0.00101')
    const [approval] = await approvalsOf(owner, id)
    await decide(owner, 'reject', approval?.id ?? '')
    expect(await whenDone(owner, id)).toMatchObject({ status: 'completed', costUsd: '0.00202' })
  })

  it('stays without a cost while anything it used was never counted', async () => {
    const runId = await emptyRun()
    await plant(runId)
    await plant(runId, { input: 0, output: 0 })
    await setPrice(owner, MODEL, PRICE)
    expect(await rerate(owner, { dryRun: false })).toMatchObject({ entries: 1, rerated: 1 })
    expect((await getRun(owner, runId)).costUsd).toBeNull()
  })

  it('is booked exactly while others of the tenant book', async () => {
    await addBudget(owner)
    lab.simulator.set({ usage: USAGE })
    const model = MODEL
    await Promise.all(Array.from({ length: 8 }, () => owner.run({ task: 'Say hello.', model })))
    await setPrice(owner, MODEL, PRICE)
    await Promise.all([
      ...Array.from({ length: 8 }, () => owner.run({ task: 'Say hello.', model })),
      ...Array.from({ length: 3 }, () => rerate(owner, { dryRun: false })),
    ])
    const { booked } = await sumsOf(owner)
    expect(await sumsOf(owner)).toMatchObject({ reported: booked, budget: booked, unpriced: 0, reportedUnpriced: 0 })
    const [runs] = await lab.app.sql(
      'SELECT trim_scale(sum(cost_usd)) AS sum, count(cost_usd)::integer AS count FROM runs WHERE tenant_id = $1',
      [owner.tenantId],
    )
    expect(runs).toEqual({ sum: booked, count: 16 })
  })
})
