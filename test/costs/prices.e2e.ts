import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LightMyRequestResponse } from 'fastify'
import { Clock } from '#kernel/clock.js'
import type { AuditedEvent } from '#platform/events/audited-event.js'
import type { ModelPrice } from '../../src/modules/costs/prices/prices.schemas.js'
import { TenantsSpendingRules } from '../../src/modules/costs/rules/tenants-spending-rules.service.js'
import { MAX_PRICE_VERSIONS_PER_TENANT } from '../../src/modules/costs/prices/price-setting.service.js'
import { at } from '../runs/run-lab.js'
import { Colleague } from '../support/colleague.js'
import { ModelSimulator } from '../support/model-simulator.js'
import { expectProblem } from '../support/problem.js'
import { recordEvents } from '../support/recorded-events.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'
import { ANY_PRICE, entriesOf, getPrices, pricesOf, putPrice, setPrice } from './costs-api.js'

const MINUTE_MS = 60_000
const OPERATORS = `
openai/gpt-4o-mini: { inputUsdPerMillion: '0.075', outputUsdPerMillion: '0.3', cachedInputUsdPerMillion: '0.0375' }
`
/** In the catalogue: 0.25 input, 2 output. */
const LISTED = 'openai/gpt-5-mini'
const OPERATED = 'openai/gpt-4o-mini'

let folder: string
let simulator: ModelSimulator
let app: TestApp
let second: TestApp
let owner: TestUser
let events: ReturnType<typeof recordEvents>
let offsetMs = 0

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'temponest-prices-'))
  const file = join(folder, 'prices.yaml')
  await writeFile(file, OPERATORS)
  simulator = await ModelSimulator.start()
  const env = {
    MODEL_PRICES_FILE: file,
    OPENAI_BASE_URL: simulator.baseUrl,
    REDIS_URL: process.env['TEST_REDIS_URL'] ?? '',
  }
  app = await TestApp.start({ env })
  second = await TestApp.start({ env, database: app.database })
  app.nest.get(Clock).now = () => new Date(Date.now() + offsetMs)
  events = recordEvents(app)
})
beforeEach(async () => {
  offsetMs = 0
  simulator.reset()
  owner = await TestUser.register(app)
})
afterAll(async () => {
  await second?.[Symbol.asyncDispose]()
  await app?.[Symbol.asyncDispose]()
  await simulator?.stop()
  await rm(folder, { recursive: true, force: true })
})

function list(query = '', by = owner): Promise<LightMyRequestResponse> {
  return by.request({ url: `/v1/costs/prices${query}` })
}

async function costOfRun(model: string, user = owner): Promise<string | null> {
  simulator.set({ usage: { promptTokens: 1_000_000, completionTokens: 0 } })
  return (await user.run({ task: 'Say hello.', model })).json().costUsd
}

const inMinutes = (minutes: number): string => new Date(Date.now() + minutes * MINUTE_MS).toISOString()

describe('what models cost a tenant', () => {
  it("is its own word, else the operator's, else the catalogue's, else what is built in", async () => {
    const sources = async () =>
      (await Promise.all([OPERATED, LISTED, 'offline/extractive'].map((model) => pricesOf(owner, model)))).map(
        ({ current }) => [current?.source, current?.inputUsdPerMillion, current?.effectiveFrom],
      )
    expect(await sources()).toEqual([
      ['operator', '0.075', null],
      ['catalogue', '0.25', null],
      ['built-in', '0', null],
    ])
    const set = await setPrice(owner, OPERATED)
    await setPrice(owner, LISTED)
    expect(set).toEqual({
      model: OPERATED,
      source: 'tenant',
      inputUsdPerMillion: '1',
      cachedInputUsdPerMillion: '1',
      cacheWriteUsdPerMillion: '1',
      outputUsdPerMillion: '2',
      reasoningUsdPerMillion: '2',
      effectiveFrom: expect.any(String),
    })
    expect(await sources()).toEqual([
      ['tenant', '1', set.effectiveFrom],
      ['tenant', '1', expect.any(String)],
      ['built-in', '0', null],
    ])
    expect(await pricesOf(owner, OPERATED)).toEqual({ model: OPERATED, current: set, versions: [set] })
  })

  it('is its own alone', async () => {
    await setPrice(owner, 'house/llm')
    await setPrice(owner, LISTED)
    const stranger = await TestUser.register(app)
    expectProblem(await getPrices(stranger, 'house/llm'), { status: 404, code: 'not_found' })
    expect((await pricesOf(stranger, LISTED)).current).toMatchObject({ source: 'catalogue' })
    expect((await list('?source=tenant', stranger)).json()).toEqual({ data: [], nextCursor: null })
  })

  it('is listed by name, each model once, page by page', async () => {
    await setPrice(owner, LISTED)
    await setPrice(owner, 'zeta/ω-model')
    const seen: ModelPrice[] = []
    let cursor: string | null = null
    do {
      const page = await list(`?limit=30${cursor === null ? '' : `&cursor=${cursor}`}`)
      expect(page.statusCode).toBe(200)
      expect(page.headers['link'] === undefined).toBe(page.json().nextCursor === null)
      seen.push(...page.json().data)
      cursor = page.json().nextCursor
    } while (cursor !== null)
    const names = seen.map(({ model }) => model)
    expect(names).toEqual([...new Set(names)].sort())
    expect(names).toEqual(expect.arrayContaining([LISTED, OPERATED, 'offline/extractive', 'zeta/ω-model']))
    expect(names.some((name) => name.startsWith('anthropic/'))).toBe(true)
    expect(seen.find(({ model }) => model === LISTED)).toMatchObject({ source: 'tenant', inputUsdPerMillion: '1' })
  })

  it('is found by model and by source', async () => {
    await setPrice(owner, 'house/llm')
    const names = async (query: string) => (await list(query)).json().data.map(({ model }: ModelPrice) => model)
    expect(await names('?source=tenant')).toEqual(['house/llm'])
    expect(await names('?source=operator')).toEqual([OPERATED])
    expect(await names(`?model=${encodeURIComponent(LISTED)}`)).toEqual([LISTED])
    expect(await names(`?model=${encodeURIComponent(LISTED)}&source=tenant`)).toEqual([])
  })

  it('goes on after the longest name that a model can have', async () => {
    const longest = `zz/${'語'.repeat(197)}`
    await setPrice(owner, encodeURI(longest))
    await setPrice(owner, encodeURI(`${longest.slice(0, -1)}龍`))
    const first = (await list('?source=tenant&limit=1')).json()
    expect(first.data).toMatchObject([{ model: longest }])
    const next = await list(`?source=tenant&limit=1&cursor=${first.nextCursor}`)
    expect(next.json()).toMatchObject({ data: [{ model: `${longest.slice(0, -1)}龍` }], nextCursor: null })
  })

  it.each([
    ['?limit=0', '/limit'],
    ['?source=nobody', '/source'],
    ['?model=gpt', '/model'],
    ['?cursor=bm90LWEtbW9kZWw', '/cursor'],
  ])('refuses the query %s', async (query, pointer) => {
    expectProblem(await list(query), { status: 400, code: 'validation_failed', pointers: [pointer] })
  })
})

describe('the name of a model', () => {
  it.each([
    ['ollama/llama3.2:1b', 'ollama/llama3.2:1b'],
    ['openai/org/team/model-1.5', 'openai/org/team/model-1.5'],
    ['openai/org%2Fteam%2Fmodel-1.5', 'openai/org/team/model-1.5'],
    ['openai/ft:gpt-4o:acme::7p4lURel', 'openai/ft:gpt-4o:acme::7p4lURel'],
    ['openai/a%20', null],
    ['openai/%09', null],
    [`openai/${'x'.repeat(194)}`, null],
  ])('may be asked for as %s', async (path, model) => {
    const response = await putPrice(owner, path)
    if (model === null) {
      expect([400, 404]).toContain(response.statusCode)
      expect((await list('?source=tenant')).json().data).toEqual([])
      return
    }
    expect(response.json()).toMatchObject({ model })
    const spellings = [model, model.replace('/', '\0').replaceAll('/', '%2F').replace('\0', '/')]
    for (const spelling of spellings) expect((await pricesOf(owner, spelling)).current?.model).toBe(model)
  })

  it('is told a wrong method by what is allowed, with slashes and without', async () => {
    for (const model of ['openai/a', 'openai/a/b']) {
      const response = await owner.request({ method: 'DELETE', url: `/v1/costs/prices/${model}` })
      expectProblem(response, { status: 405, code: 'method_not_allowed' })
      expect(response.headers['allow']).toBe('GET, HEAD, PUT')
    }
  })

  it('need not be served here', async () => {
    expect(await setPrice(owner, 'nobody-yet/model')).toMatchObject({ model: 'nobody-yet/model' })
  })
})

describe('a version of a price', () => {
  it('is added, and the same again is not', async () => {
    const first = await setPrice(owner, LISTED)
    expect(await setPrice(owner, LISTED)).toEqual(first)
    expect(await setPrice(owner, LISTED, { inputUsdPerMillion: '1.0', outputUsdPerMillion: '2.00' })).toEqual(first)
    await setPrice(owner, LISTED, { ...ANY_PRICE, cachedInputUsdPerMillion: '0.5' })
    const third = await setPrice(owner, LISTED)
    const { current, versions } = await pricesOf(owner, LISTED)
    expect(current).toEqual(third)
    expect(versions.map(({ cachedInputUsdPerMillion }) => cachedInputUsdPerMillion)).toEqual(['1', '0.5', '1'])
  })

  it('is one, of a hundred at once that say the same; and of a hundred that differ the last one holds', async () => {
    await Promise.all(Array.from({ length: 100 }, () => setPrice(owner, 'house/same')))
    expect((await pricesOf(owner, 'house/same')).versions).toHaveLength(1)
    const prices = Array.from({ length: 100 }, (_, index) => ({ ...ANY_PRICE, inputUsdPerMillion: String(index + 10) }))
    await Promise.all(prices.map((price) => setPrice(owner, 'house/llm', price)))
    const { current, versions } = await pricesOf(owner, 'house/llm')
    expect(new Set(versions.map(({ inputUsdPerMillion }) => inputUsdPerMillion)).size).toBe(100)
    expect(current).toEqual(versions[0])
    const [last] = await app.sql(
      `SELECT input_usd_per_million AS price FROM model_prices WHERE tenant_id = $1 AND model = 'house/llm'
        ORDER BY created_at DESC, id DESC LIMIT 1`,
      [owner.tenantId],
    )
    expect(current?.inputUsdPerMillion).toBe(last?.['price'])
  })

  it('prices a call by when it began, though that is days ago', async () => {
    for (const [price, hours] of [
      ['5', 48],
      ['6', 24],
      ['7', 3],
    ] as const) {
      const effectiveFrom = inMinutes(-60 * hours)
      await setPrice(owner, 'house/llm', { ...ANY_PRICE, inputUsdPerMillion: price, effectiveFrom })
    }
    const rules = await app.nest.get(TenantsSpendingRules).of(owner.tenantId)
    const prices = [30, 12, 1].map((hours) => rules.findPrice('house/llm', new Date(inMinutes(-60 * hours))))
    expect(prices.map((price) => String(price?.inputUsdPerMillion))).toEqual(['5', '6', '7'])
  })

  it('of one moment is what was said last', async () => {
    const effectiveFrom = inMinutes(-1)
    await setPrice(owner, 'house/llm', { ...ANY_PRICE, effectiveFrom })
    await setPrice(owner, 'house/llm', { inputUsdPerMillion: '7', outputUsdPerMillion: '7', effectiveFrom })
    expect((await pricesOf(owner, 'house/llm')).current).toMatchObject({ inputUsdPerMillion: '7', effectiveFrom })
  })

  it('that is to come holds from its moment on, for what runs cost too', async () => {
    await setPrice(owner, 'openai/house-model', { inputUsdPerMillion: '3', outputUsdPerMillion: '3' })
    const effectiveFrom = inMinutes(5)
    await setPrice(owner, 'openai/house-model', { ...ANY_PRICE, inputUsdPerMillion: '4', effectiveFrom })
    await setPrice(owner, 'openai/to-come', { ...ANY_PRICE, effectiveFrom })
    expect(await pricesOf(owner, 'openai/house-model')).toMatchObject({
      current: { inputUsdPerMillion: '3' },
      versions: [{ inputUsdPerMillion: '4', effectiveFrom }, { inputUsdPerMillion: '3' }],
    })
    expect(await pricesOf(owner, 'openai/to-come')).toMatchObject({ current: null, versions: [{ effectiveFrom }] })
    expect([await costOfRun('openai/house-model'), await costOfRun('openai/to-come')]).toEqual(['3', null])
    offsetMs = 5 * MINUTE_MS + 1000
    expect((await pricesOf(owner, 'openai/house-model')).current).toMatchObject({ inputUsdPerMillion: '4' })
    expect((await pricesOf(owner, 'openai/to-come')).current).toMatchObject({ effectiveFrom })
    expect([await costOfRun('openai/house-model'), await costOfRun('openai/to-come')]).toEqual(['4', '1'])
  })

  it('of the past leaves alone what holds since', async () => {
    await setPrice(owner, 'house/llm')
    await setPrice(owner, 'house/llm', {
      inputUsdPerMillion: '9',
      outputUsdPerMillion: '9',
      effectiveFrom: inMinutes(-60),
    })
    const { current, versions } = await pricesOf(owner, 'house/llm')
    expect(current).toMatchObject({ inputUsdPerMillion: '1' })
    expect(versions.map(({ inputUsdPerMillion }) => inputUsdPerMillion)).toEqual(['1', '9'])
  })

  it('keeps every digit', async () => {
    const exact = {
      inputUsdPerMillion: '0.000000000001',
      cachedInputUsdPerMillion: '0',
      cacheWriteUsdPerMillion: '123456789.123456789012',
      outputUsdPerMillion: '999999999.999999999999',
      reasoningUsdPerMillion: '0.100000000001',
    }
    expect(await setPrice(owner, 'openai/exact', exact)).toMatchObject(exact)
    expect((await pricesOf(owner, 'openai/exact')).current).toMatchObject(exact)
    simulator.set({ usage: { promptTokens: 3, cachedTokens: 2, completionTokens: 5, reasoningTokens: 4 } })
    const run = (await owner.run({ task: 'Say hello.', model: 'openai/exact' })).json()
    // 1 × 10⁻¹⁸ + 1 × 999.999999999999999999 + 4 × 0.000000100000000001, in US dollars.
    expect(run.costUsd).toBe('1000.000000400000000004')
  })

  it('is not added beyond what a tenant may set', async () => {
    await setPrice(owner, 'house/llm')
    await app.sql(
      `INSERT INTO model_prices (tenant_id, id, model, input_usd_per_million, output_usd_per_million, effective_from, created_by, created_at)
       SELECT $1, gen_random_uuid(), 'house/many', 1, 1, now() - interval '1 day', $2, now() FROM generate_series(2, $3::integer)`,
      [owner.tenantId, owner.userId, MAX_PRICE_VERSIONS_PER_TENANT],
    )
    expectProblem(await putPrice(owner, LISTED), { status: 409, code: 'price_limit_reached' })
    expect((await putPrice(owner, 'house/llm')).statusCode).toBe(200)
    expect((await putPrice(await TestUser.register(app), LISTED)).statusCode).toBe(200)
    expect((await pricesOf(owner, 'house/many')).versions).toHaveLength(100)
  })

  it('is written down with what held before', async () => {
    await setPrice(owner, LISTED)
    const events_ = events.ofType('price.set').filter(({ tenantId }) => tenantId === owner.tenantId) as AuditedEvent[]
    expect(events_.map(({ audit }) => audit)).toEqual([
      {
        action: 'model_price_set',
        resource: { type: 'model_price', id: LISTED },
        before: expect.objectContaining({ inputUsdPerMillion: '0.25', outputUsdPerMillion: '2' }),
        after: expect.objectContaining({ inputUsdPerMillion: '1', effectiveFrom: expect.any(String) }),
      },
    ])
    const logged = (await owner.request({ url: '/v1/audit-log?action=model_price_set' })).json().data
    expect(logged).toMatchObject([{ actor: { id: owner.userId }, resource: { id: LISTED } }])
  })

  it.each<[string, object, string[]]>([
    ['no output price', { inputUsdPerMillion: '1' }, ['/outputUsdPerMillion']],
    ['a number', { ...ANY_PRICE, inputUsdPerMillion: 1 }, ['/inputUsdPerMillion']],
    ['less than nothing', { ...ANY_PRICE, inputUsdPerMillion: '-1' }, ['/inputUsdPerMillion']],
    ['an exponent', { ...ANY_PRICE, reasoningUsdPerMillion: '1e3' }, ['/reasoningUsdPerMillion']],
    ['13 decimals', { ...ANY_PRICE, outputUsdPerMillion: '0.0000000000001' }, ['/outputUsdPerMillion']],
    [
      '10 digits before the point',
      { ...ANY_PRICE, cacheWriteUsdPerMillion: '1234567890' },
      ['/cacheWriteUsdPerMillion'],
    ],
    ['null for what it needs', { ...ANY_PRICE, outputUsdPerMillion: null }, ['/outputUsdPerMillion']],
    ['a day for a moment', { ...ANY_PRICE, effectiveFrom: '2026-01-01' }, ['/effectiveFrom']],
    ['the year 0', { ...ANY_PRICE, effectiveFrom: '0000-01-01T00:00:00Z' }, ['/effectiveFrom']],
    ['an unknown field', { ...ANY_PRICE, currency: 'EUR' }, ['/currency']],
  ])('with %s is refused', async (_what, payload, pointers) => {
    expectProblem(await putPrice(owner, LISTED, payload), { status: 400, code: 'validation_failed', pointers })
  })

  it('is set by owners and admins, and read by everybody', async () => {
    for (const role of ['admin', 'member', 'viewer'] as const) {
      const colleague = await Colleague.join(app, owner, role)
      expect((await getPrices(colleague, LISTED)).statusCode).toBe(200)
      const set = await putPrice(colleague, `house/${role}`)
      if (role === 'admin') expect(set.statusCode).toBe(200)
      else expectProblem(set, { status: 403, code: 'forbidden' })
    }
  })
})

describe('what is booked', () => {
  it('keeps the price that it was booked with, whatever is said later, and by whomever', async () => {
    const before = await costOfRun(LISTED)
    await setPrice(owner, LISTED, { ...ANY_PRICE, effectiveFrom: inMinutes(-60) })
    const after = await costOfRun(LISTED)
    expect([before, after]).toEqual(['0.25', '1'])
    expect((await entriesOf(app, owner)).map((row) => [row['input_usd_per_million'], row['cost_usd']])).toEqual([
      ['0.25', '0.25'],
      ['1', '1'],
    ])
    const role = `${new URL(app.database.url).pathname.slice(1)}_app`
    for (const change of [`SET ROLE ${role}; SET app.current_tenant = '${owner.tenantId}';`, '']) {
      const text = `${change} UPDATE cost_tracking SET cost_usd = 0 WHERE tenant_id = '${owner.tenantId}'`
      await expect(app.sql(text)).rejects.toThrow('an entry keeps the price that it was made with')
    }
  })

  it('costs what is said on another replica as soon as that is said', async () => {
    const there = at(second, owner)
    const model = 'openai/shared'
    for (const price of ['1', '2', '3', '4', '5']) {
      await setPrice(owner, model, { inputUsdPerMillion: price, outputUsdPerMillion: price })
      expect((await pricesOf(there, model)).current?.inputUsdPerMillion).toBe(price)
      simulator.set({ usage: { promptTokens: 1_000_000, completionTokens: 0 } })
      const run = await there.request({
        method: 'POST',
        url: '/v1/agents/developer/run',
        payload: { task: 'Say hello.', model },
      })
      expect(run.json().costUsd).toBe(price)
    }
  })
})
