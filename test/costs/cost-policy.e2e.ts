import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import type { AuditedEvent } from '#platform/events/audited-event.js'
import { approvalsOf, at, begin, whenDone } from '../runs/run-lab.js'
import { Colleague } from '../support/colleague.js'
import { ModelSimulator } from '../support/model-simulator.js'
import { eventually } from '../support/eventually.js'
import { createAgent } from '../support/own-agent.js'
import { expectProblem } from '../support/problem.js'
import { recordEvents } from '../support/recorded-events.js'
import { simulatorEnv } from '../support/run-states.js'
import type { Requester } from '../support/test-api-key.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'
import { blockUnpriced, entriesOf, putPolicy, setPrice } from './costs-api.js'

const INITIAL = { timezone: 'UTC', unpricedModels: 'allow' }
const PRICED = 'openai/gpt-4o-mini'
const UNPRICED = 'openai/house-model'

let simulator: ModelSimulator
let app: TestApp
let second: TestApp
let owner: TestUser
let events: ReturnType<typeof recordEvents>

beforeAll(async () => {
  simulator = await ModelSimulator.start()
  const env = {
    ...simulatorEnv(simulator),
    MODEL_CIRCUIT_FAILURES: '1000',
    REDIS_URL: process.env['TEST_REDIS_URL'] ?? '',
  }
  app = await TestApp.start({ env })
  second = await TestApp.start({ env, database: app.database })
  events = recordEvents(app)
})
beforeEach(async () => {
  simulator.reset()
  owner = await TestUser.register(app)
})
afterAll(async () => {
  await second?.[Symbol.asyncDispose]()
  await app?.[Symbol.asyncDispose]()
  await simulator?.stop()
})

async function policyOf(by: Requester): Promise<object> {
  return (await by.request({ url: '/v1/cost-policy' })).json()
}

describe('the cost policy', () => {
  it('is UTC and lets everything run until the tenant says otherwise, for itself alone', async () => {
    expect(await policyOf(owner)).toEqual(INITIAL)
    const policy = { timezone: 'Europe/Berlin', unpricedModels: 'block' }
    const set = await putPolicy(owner, policy)
    expect([set.statusCode, set.json()]).toEqual([200, policy])
    expect(await policyOf(owner)).toEqual(policy)
    expect(await policyOf(await TestUser.register(app))).toEqual(INITIAL)
  })

  it('spells a time zone as the tz database does', async () => {
    expect((await putPolicy(owner, { ...INITIAL, timezone: 'america/new_york' })).json()).toMatchObject({
      timezone: 'America/New_York',
    })
    // Every booking reckons in it.
    const run = (await owner.run({ task: 'Say hello.', model: PRICED })).json()
    expect(run.status).toBe('completed')
  })

  it('is written down when it changes, and only then', async () => {
    for (const unpricedModels of ['block', 'block', 'allow']) await putPolicy(owner, { ...INITIAL, unpricedModels })
    const told = events.ofType('cost.policy_changed').filter(({ tenantId }) => tenantId === owner.tenantId)
    expect(told.map((event) => (event as AuditedEvent).audit)).toMatchObject([
      { action: 'cost_policy_changed', before: INITIAL, after: { ...INITIAL, unpricedModels: 'block' } },
      { before: { unpricedModels: 'block' }, after: { unpricedModels: 'allow' } },
    ])
    const logged = (await owner.request({ url: '/v1/audit-log?action=cost_policy_changed' })).json().data
    expect(logged).toHaveLength(2)
  })

  it.each<[string, object, string[]]>([
    ['nowhere', { ...INITIAL, timezone: 'Europe/Nowhere' }, ['/timezone']],
    ['an offset', { ...INITIAL, timezone: '+02:00' }, ['/timezone']],
    ['a rule of POSIX', { ...INITIAL, timezone: 'CET-1CEST' }, ['/timezone']],
    ['no zone', { unpricedModels: 'allow' }, ['/timezone']],
    ['another word', { ...INITIAL, unpricedModels: 'ask' }, ['/unpricedModels']],
    ['an unknown field', { ...INITIAL, currency: 'EUR' }, ['/currency']],
  ])('with %s is refused', async (_what, payload, pointers) => {
    expectProblem(await putPolicy(owner, payload), { status: 400, code: 'validation_failed', pointers })
    expect(await policyOf(owner)).toEqual(INITIAL)
  })

  it('is set by owners and admins, and read by everybody', async () => {
    for (const role of ['admin', 'member', 'viewer'] as const) {
      const colleague = await Colleague.join(app, owner, role)
      expect(await policyOf(colleague)).toEqual(INITIAL)
      const set = await putPolicy(colleague, INITIAL)
      if (role === 'admin') expect(set.statusCode).toBe(200)
      else expectProblem(set, { status: 403, code: 'forbidden' })
    }
  })
})

describe('a model without a price, where the tenant lets none run', () => {
  it('is refused before anything is sent or written, on every replica at once, until it has a price', async () => {
    const replicas = [owner, at(second, owner)]
    const run = (by: Requester) =>
      by.request({
        method: 'POST',
        url: '/v1/agents/developer/run',
        payload: { task: 'Say hello.', model: UNPRICED },
      })
    for (const by of replicas) expect((await run(by)).json()).toMatchObject({ status: 'completed', costUsd: null })
    simulator.reset()
    await blockUnpriced(owner)
    for (const by of replicas) {
      const problem = expectProblem(await run(by), { status: 403, code: 'model_unpriced' })
      expect(problem.detail).toContain(`PUT /v1/costs/prices/${UNPRICED}`)
    }
    expect(simulator.requests).toHaveLength(0)
    expect((await owner.request({ url: '/v1/runs/count' })).json().count).toBe(2)
    await setPrice(replicas[1]!, UNPRICED)
    for (const by of replicas) {
      const answered = (await run(by)).json()
      expect([answered.status, typeof answered.costUsd]).toEqual(['completed', 'string'])
    }
  })

  it('does not stand in for one that has a price', async () => {
    await createAgent(owner, { slug: 'careful', model: PRICED, fallbackModels: [UNPRICED, 'openai/gpt-5-mini'] })
    const models = async () => {
      simulator.reset()
      simulator.when(({ model }) => (model === 'gpt-4o-mini' ? { failure: { status: 401 } } : null))
      const run = (await owner.run({ task: 'Answer.' }, { agent: 'careful' })).json()
      expect(run.status).toBe('completed')
      return simulator.requests.map(({ model }) => model)
    }
    expect(await models()).toEqual(['gpt-4o-mini', 'house-model'])
    await blockUnpriced(owner)
    expect(await models()).toEqual(['gpt-4o-mini', 'gpt-5-mini'])
    await setPrice(owner, UNPRICED)
    expect(await models()).toEqual(['gpt-4o-mini', 'house-model'])
  })

  it('is not asked by a run that was there before, and waited', async () => {
    await createAgent(owner, { slug: 'asked', model: UNPRICED, requireApproval: true })
    const id = await begin(owner, 'asked')
    const [approval] = await eventually(
      () => approvalsOf(owner, id),
      (approvals) => approvals.length > 0,
    )
    await blockUnpriced(owner)
    await owner.request({ method: 'POST', url: `/v1/approvals/${approval?.id}/approve`, payload: {} })
    expect(await whenDone(owner, id)).toMatchObject({ status: 'failed', error: { code: 'model_unpriced' } })
    expect(simulator.requests).toHaveLength(0)
    expect(await entriesOf(app, owner)).toEqual([])
  })

  it('leaves the free model alone, which has a price: nothing', async () => {
    await blockUnpriced(owner)
    const run = (await owner.run({ task: 'Say hello.', model: 'offline/extractive' })).json()
    expect(run).toMatchObject({ status: 'completed', costUsd: '0' })
  })
})
