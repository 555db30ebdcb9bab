import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { PriceCatalogue } from '../../src/modules/costs/prices/price-catalogue.js'
import { AppConfig } from '#platform/config/app-config.js'
import { ConfigError } from '#platform/config/config-error.js'
import { ModelSimulator, type Usage } from '../support/model-simulator.js'
import { TestApp } from '../support/test-app.js'
import { withClient } from '../support/test-database.js'
import { TestUser } from '../support/test-user.js'

const PRICES_YAML = `
openai/gpt-4o-mini:
  inputUsdPerMillion: '0.075'
  outputUsdPerMillion: '0.3'
  cachedInputUsdPerMillion: '0.0375'
openai/house-model:
  inputUsdPerMillion: '0.000000000001'
  outputUsdPerMillion: '999999999.999999999999'
openai/gift:
  inputUsdPerMillion: '0'
  outputUsdPerMillion: '0'
`

interface CostRow {
  readonly [column: string]: unknown
}

let simulator: ModelSimulator
let folder: string

beforeAll(async () => {
  simulator = await ModelSimulator.start()
  folder = await mkdtemp(join(tmpdir(), 'temponest-costs-'))
})
afterEach(() => simulator.reset())
afterAll(async () => {
  await simulator?.stop()
  await rm(folder, { recursive: true, force: true })
})

function startApp(env: Record<string, string> = {}): Promise<TestApp> {
  return TestApp.start({
    env: {
      OPENAI_BASE_URL: simulator.baseUrl,
      OPENAI_API_KEY: 'test',
      ANTHROPIC_BASE_URL: simulator.baseUrl,
      ANTHROPIC_API_KEY: 'test',
      DEFAULT_MODEL: 'openai/gpt-4o-mini',
      ...env,
    },
  })
}

async function writePrices(name: string, content: string): Promise<string> {
  const file = join(folder, name)
  await writeFile(file, content)
  return file
}

async function costRows(app: TestApp, runId: string): Promise<CostRow[]> {
  return withClient(app.database.url, async (client) => {
    const { rows } = await client.query('SELECT * FROM cost_tracking WHERE run_id = $1', [runId])
    return rows
  })
}

describe('the cost of a run', () => {
  let app: TestApp
  let user: TestUser

  beforeAll(async () => {
    app = await startApp()
    user = await TestUser.register(app)
  })
  afterAll(() => app?.[Symbol.asyncDispose]())

  async function costOf(usage: Partial<Usage>, model = 'openai/gpt-4o-mini') {
    simulator.set({ usage })
    const run = (await user.run({ task: 'Say hello.', model })).json()
    expect(run.status).toBe('completed')
    return run
  }

  // gpt-4o-mini: 0.15 input, 0.075 cached input, 0.60 output, in US dollars for a million tokens.
  it.each<[string, Partial<Usage>, string]>([
    ['of one input token', { promptTokens: 1, completionTokens: 0 }, '0.00000015'],
    ['of one output token', { promptTokens: 0, completionTokens: 1 }, '0.0000006'],
    ['of nothing', { promptTokens: 0, completionTokens: 0 }, '0'],
    ['of input and output', { promptTokens: 1234, completionTokens: 567 }, '0.0005253'],
    ['with cached tokens, billed once', { promptTokens: 1001, cachedTokens: 333, completionTokens: 77 }, '0.000171375'],
    ['that is all cached', { promptTokens: 1000, cachedTokens: 1000, completionTokens: 0 }, '0.000075'],
    ['with more cached than there is', { promptTokens: 1000, cachedTokens: 1500, completionTokens: 0 }, '0.000075'],
    ['with reasoning, part of the output', { promptTokens: 0, completionTokens: 100, reasoningTokens: 90 }, '0.00006'],
    ['of a very large call', { promptTokens: 999_999_999, completionTokens: 999_999_999 }, '749.99999925'],
  ])('is exact: a call %s', async (_what, usage, expected) => {
    const run = await costOf(usage)
    expect(run.costUsd).toBe(expected)
    const [row] = await costRows(app, run.id)
    expect(row?.['cost_usd']).toBe(expected)
  })

  it('of gpt-3.5-turbo-16k, which has no price, is null everywhere, and never 0', async () => {
    const run = await costOf({ promptTokens: 100, completionTokens: 10 }, 'openai/gpt-3.5-turbo-16k')
    expect(run.costUsd).toBeNull()
    expect(run.usage.totalTokens).toBe(110)
    expect(await costRows(app, run.id)).toMatchObject([
      {
        input_tokens: '100',
        output_tokens: '10',
        input_usd_per_million: null,
        cached_input_usd_per_million: null,
        output_usd_per_million: null,
        cost_usd: null,
      },
    ])
    const { data } = (await user.request({ method: 'GET', url: '/v1/runs?limit=1' })).json()
    expect(data).toMatchObject([{ id: run.id, costUsd: null }])
  })

  it('is already null, not 0, while a run without a price waits', async () => {
    simulator.set({ latencyMs: 300 })
    const accepted = (
      await user.run({ task: 'Wait.', model: 'openai/gpt-3.5-turbo-16k' }, { prefer: 'respond-async' })
    ).json()
    expect(accepted).toMatchObject({ costUsd: null, finishedAt: null })
    await simulator.received(1)
    await simulator.settled()
  })

  it('of the offline model is 0, because it costs nothing', async () => {
    const run = (await user.run({ task: 'Say hello.', model: 'offline/extractive' })).json()
    expect(run.costUsd).toBe('0')
    expect(run.usage.totalTokens).toBeGreaterThan(0)
    expect(await costRows(app, run.id)).toMatchObject([{ model: 'offline/extractive', cost_usd: '0' }])
    expect(simulator.requests).toHaveLength(0)
  })

  // claude-sonnet-4: 3 input, 0.30 cached input, 15 output.
  it('counts the cached tokens of Anthropic once, although Anthropic reports them beside the input', async () => {
    simulator.set({ usage: { promptTokens: 1000, cachedTokens: 600, completionTokens: 50 } })
    const run = (await user.run({ task: 'Say hello.', model: 'anthropic/claude-sonnet-4-20250514' })).json()
    expect(simulator.requests.map(({ path }) => path)).toEqual(['/v1/messages'])
    expect(run).toMatchObject({
      status: 'completed',
      output: { text: 'Simulated answer to: Say hello.' },
      usage: { inputTokens: 1000, cachedInputTokens: 600, outputTokens: 50, reasoningTokens: 0, totalTokens: 1050 },
      costUsd: '0.00213',
    })
    expect(simulator.totals).toMatchObject({ promptTokens: 1000, cachedTokens: 600, completionTokens: 50 })
  })

  it('is booked with the run, in the same transaction, and both say the same', async () => {
    const { userId, tenantId } = user
    const run = await costOf({ promptTokens: 1000, cachedTokens: 600, completionTokens: 50, reasoningTokens: 20 })
    const rows = await withClient(app.database.url, (client) =>
      client.query(
        `SELECT c.*, c.xmin = r.xmin AS same_transaction, c.cost_usd = r.cost_usd AS same_cost,
                c.input_tokens = r.input_tokens AND c.output_tokens = r.output_tokens
                  AND c.cached_input_tokens = r.cached_input_tokens
                  AND c.reasoning_tokens = r.reasoning_tokens AS same_tokens
           FROM cost_tracking c JOIN runs r ON r.tenant_id = c.tenant_id AND r.id = c.run_id WHERE c.run_id = $1`,
        [run.id],
      ),
    )
    expect(rows.rows).toHaveLength(1)
    expect(rows.rows[0]).toMatchObject({
      tenant_id: tenantId,
      user_id: userId,
      project_id: null,
      agent: 'developer',
      model: 'openai/gpt-4o-mini',
      input_tokens: '1000',
      cached_input_tokens: '600',
      output_tokens: '50',
      reasoning_tokens: '20',
      input_usd_per_million: '0.15',
      cached_input_usd_per_million: '0.075',
      output_usd_per_million: '0.6',
      cost_usd: '0.000135',
      same_transaction: true,
      same_cost: true,
      same_tokens: true,
    })
  })
})

describe('a run whose cost cannot be booked', () => {
  it('does not end: it is taken up again, and ends when it can', async () => {
    await using app = await startApp({ RUN_LEASE_MS: '1000' })
    const user = await TestUser.register(app)
    const role = `${new URL(app.database.url).pathname.slice(1)}_app`
    const asOwner = (sql: string) => withClient(app.database.url, (client) => client.query(sql))
    await asOwner(`REVOKE INSERT ON cost_tracking FROM ${role}`)

    const { id } = (await user.run({ task: 'Say hello.' }, { prefer: 'respond-async' })).json()
    await simulator.received(1)
    await simulator.settled()
    await sleep(300)
    const get = async () => (await user.request({ method: 'GET', url: `/v1/runs/${id}` })).json()
    expect(await get()).toMatchObject({ status: 'running', output: null, attempt: 1 })

    await asOwner(`GRANT INSERT ON cost_tracking TO ${role}`)
    const deadline = Date.now() + 10_000
    while ((await get()).status === 'running' && Date.now() < deadline) await sleep(50)
    expect(await get()).toMatchObject({ status: 'completed', attempt: 2 })
    // What the lost attempt had used nobody could write down: it is estimated.
    const rows = await costRows(app, id)
    expect(rows).toHaveLength(2)
    expect(rows.filter((row) => row['is_estimated'])).toHaveLength(1)
  }, 20_000)
})

describe('MODEL_PRICES_FILE', () => {
  it('overrides the catalogue, adds to it, and can say that a model is free', async () => {
    await using app = await startApp({ MODEL_PRICES_FILE: await writePrices('prices.yaml', PRICES_YAML) })
    const user = await TestUser.register(app)
    const costOf = async (model: string) => (await user.run({ task: 'Say hello.', model })).json().costUsd
    simulator.set({ usage: { promptTokens: 1000, cachedTokens: 600, completionTokens: 50 } })
    expect(await costOf('openai/gpt-4o-mini')).toBe('0.0000675')
    // Without a price of their own cached tokens cost what all input does. No digit of any is lost.
    expect(await costOf('openai/house-model')).toBe('50000.00000000000000095')
    expect(await costOf('openai/gift')).toBe('0')
    expect(await costOf('openai/gpt-5-mini')).toBe('0.000215')
  })

  it('is read as JSON, too', async () => {
    const file = await writePrices(
      'prices.json',
      '{"openai/a": {"inputUsdPerMillion": "1.5", "outputUsdPerMillion": "2", "cachedInputUsdPerMillion": "0.5"}}',
    )
    const price = catalogue(file).find('openai/a')
    expect(
      [price?.inputUsdPerMillion, price?.outputUsdPerMillion, price?.cachedInputUsdPerMillion].map(String),
    ).toEqual(['1.5', '2', '0.5'])
    expect(String(catalogue(file).find('openai/gpt-4o-mini')?.outputUsdPerMillion)).toBe('0.6')
  })

  it.each([
    ['is not there', null, /cannot read .*ENOENT/],
    ['is no YAML', 'openai/a:\n  inputUsdPerMillion: "1\n  outputUsdPerMillion: [', /cannot read .*: Missing closing/],
    ['is a list', '- openai/a', /expected record/],
    ['is empty', '', /expected record/],
    ['has a name without a provider', '{"gpt": {"inputUsdPerMillion": "1", "outputUsdPerMillion": "1"}}', /gpt/],
    ['has a price that is a number', price(`1.5`), /openai\/a.inputUsdPerMillion/],
    ['has a negative price', price('"-1"'), /openai\/a.inputUsdPerMillion: must be a decimal string/],
    ['has an exponent', price('"1e-7"'), /must be a decimal string/],
    ['has more than 12 decimals', price('"0.0000000000001"'), /at most 12 decimals/],
    ['has no output price', '{"openai/a": {"inputUsdPerMillion": "1"}}', /openai\/a.outputUsdPerMillion/],
    [
      'has an unknown key',
      '{"openai/a": {"inputUsdPerMillion": "1", "outputUsdPerMillion": "1", "price": "1"}}',
      /price/,
    ],
  ])('that %s keeps the server from starting, in one line that names it', async (_what, content, message) => {
    const file = content === null ? join(folder, 'missing.yaml') : await writePrices('broken.yaml', content)
    const error = await Promise.resolve()
      .then(() => catalogue(file))
      .then(
        () => null,
        (reason: unknown) => reason,
      )
    expect(error).toBeInstanceOf(ConfigError)
    const text = (error as ConfigError).message
    expect(text).toMatch(/^MODEL_PRICES_FILE: /)
    expect(text).toContain(file)
    expect(text).toMatch(message)
    expect(text.split('\n')).toHaveLength(1)
  })
})

function catalogue(file: string): PriceCatalogue {
  return new PriceCatalogue(AppConfig.parse({ JWT_SECRET: 'x'.repeat(32), DATA_DIR: folder, MODEL_PRICES_FILE: file }))
}

function price(input: string): string {
  return `{"openai/a": {"inputUsdPerMillion": ${input}, "outputUsdPerMillion": "1"}}`
}
