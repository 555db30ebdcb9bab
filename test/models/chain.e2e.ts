import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { setTimeout as sleep } from 'node:timers/promises'
import { heard, ModelHost } from '../support/model-host.js'
import { type Behaviour, ModelSimulator } from '../support/model-simulator.js'

const OPEN_MS = 400
/** Clocks are whole milliseconds, and timers a little early. */
const MARGIN_MS = 20
const ONE = 'openai/one'
const TWO = 'anthropic/two'

let simulator: ModelSimulator

beforeAll(async () => {
  simulator = await ModelSimulator.start()
})
afterEach(() => simulator.reset())
afterAll(() => simulator?.stop())

function start(env: Record<string, string> = {}): Promise<ModelHost> {
  return ModelHost.start({ OPENAI_BASE_URL: simulator.baseUrl, ANTHROPIC_BASE_URL: simulator.baseUrl, ...env })
}

/** Model `one` does as it is told, the others answer. */
function one(behaviour: Behaviour): void {
  simulator.reply('from two').when(({ model }) => (model === 'one' ? behaviour : null))
}

const modelsAsked = () => simulator.requests.map(({ model }) => model)

describe('a chain of models', () => {
  let host: ModelHost

  beforeAll(async () => {
    host = await start({
      MODEL_MAX_RETRIES: '1',
      MODEL_TIMEOUT_MS: '4000',
      MODEL_IDLE_TIMEOUT_MS: '1000',
      MODEL_CIRCUIT_FAILURES: '1000',
      OPENAI_API_KEY: 'f00dfeed',
    })
  })
  afterAll(() => host?.[Symbol.asyncDispose]())

  const ask = () => host.call({ models: [ONE, TWO] })

  it.each([408, 409, 429, 500, 503, 529])('goes on to the next model after the retries of a %i', async (status) => {
    one({ failure: { status } })
    const { answer, uses } = await ask().outcome
    expect(answer).toMatchObject({ text: 'from two', model: TWO })
    expect(uses.map(({ model }) => model)).toEqual([TWO])
    expect(modelsAsked()).toEqual(['one', 'one', 'two'])
  })

  it.each([401, 402, 403, 404])('goes on to the next model without a retry on %i', async (status) => {
    one({ failure: { status } })
    expect((await ask().outcome).answer?.model).toBe(TWO)
    expect(modelsAsked()).toEqual(['one', 'two'])
  })

  it.each([400, 413, 422])('asks nobody else what was refused with %i', async (status) => {
    one({ failure: { status, body: { error: { message: 'not for key f00dfeed' } } } })
    const { answer, error, uses } = await ask().outcome
    expect([answer, uses]).toEqual([null, []])
    expect(error).toMatchObject({ code: 'model_failed', kind: 'upstream_failed' })
    expect(error?.detail).toBe(`${ONE}: the provider answered ${status}: not for key [redacted]`)
    expect(modelsAsked()).toEqual(['one'])
  })

  it('goes on to the next model when the first is silent, hangs up or is too slow', async () => {
    one({ hang: 'before-headers' })
    expect((await ask().outcome).answer?.model).toBe(TWO)
    one({ hangUp: 'before-headers' })
    expect((await ask().outcome).answer?.model).toBe(TWO)
    one({ reply: 'on '.repeat(100), tokensPerSecond: 20 })
    const { answer, uses } = await ask().outcome
    expect(answer?.text).toMatch(/^(on )+from two$/)
    expect(uses).toMatchObject([
      { model: ONE, outcome: 'failed', isEstimated: true },
      { model: TWO, outcome: 'answered' },
    ])
  })

  it('keeps what the first model said, and marks where the second goes on', async () => {
    one({ reply: 'one two three four five six', tokensPerSecond: 40, hangUp: { afterChunks: 6 } })
    const { outcome, deltas } = ask()
    const { answer, uses } = await outcome
    expect(answer?.text).toMatch(/^one two .*from two$/)
    expect(heard(deltas)).toBe(answer?.text)
    const seams = deltas.flatMap(({ seam }) => seam ?? [])
    expect(seams.map(({ from, to }) => [from, to])).toEqual([
      [ONE, ONE],
      [ONE, TWO],
    ])
    expect(uses.map(({ model, outcome: end }) => [model, end])).toEqual([
      [ONE, 'failed'],
      [ONE, 'failed'],
      [TWO, 'answered'],
    ])
  })

  it('has the offline model start over: it cannot go on from what another one said', async () => {
    one({ reply: 'one two three four five six', tokensPerSecond: 40, hangUp: { afterChunks: 6 } })
    const { outcome, deltas } = host.call({ models: [ONE, 'offline/extractive'] })
    const { answer } = await outcome
    expect(answer?.text).toMatch(/^> \*\*No language model is configured/)
    expect(heard(deltas)).toBe(answer?.text)
    expect(deltas.findLast(({ seam }) => seam)?.seam?.keptCharacters).toBe(0)
  })

  it('says of each model why it failed', async () => {
    simulator.set({ failure: { status: 500 } })
    const { answer, error } = await host.call({ models: [ONE, TWO, 'gone/three'] }).outcome
    expect(answer).toBeNull()
    expect(error?.detail).toBe(
      `${ONE}: the provider answered 500: Simulated error 500 ` +
        `${TWO}: the provider answered 500: Simulated error 500 gone/three: not configured on this server.`,
    )
  })

  it('waits as long as Retry-After says, and goes on at once where that is longer than it has', async () => {
    simulator.next({ failure: { status: 429, retryAfter: 0.4 } })
    const startedAt = performance.now()
    expect((await ask().outcome).answer?.model).toBe(ONE)
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(400)

    for (const retryAfter of [5, new Date(Date.now() + 60_000).toUTCString()]) {
      one({ failure: { status: 503, retryAfter } })
      const askedAt = performance.now()
      expect((await ask().outcome).answer?.model).toBe(TWO)
      expect(performance.now() - askedAt).toBeLessThan(400)
    }
  })
})

describe('the circuit of a model', () => {
  let host: ModelHost

  beforeAll(async () => {
    host = await start({
      MODEL_MAX_RETRIES: '0',
      MODEL_CIRCUIT_FAILURES: '3',
      MODEL_CIRCUIT_OPEN_MS: String(OPEN_MS),
      MODEL_IDLE_TIMEOUT_MS: '5000',
    })
  })
  afterAll(() => host?.[Symbol.asyncDispose]())

  const ask = (models = [ONE]) => host.call({ models })
  const asked = () => simulator.requests.length

  async function open(): Promise<void> {
    one({ failure: { status: 500 } })
    for (let count = 0; count < 3; count += 1) await ask().outcome
    expect((await ask().outcome).error?.detail).toContain('failed too often in a row')
  }

  /** Whatever a test has done to it. */
  async function close(): Promise<void> {
    await sleep(OPEN_MS + MARGIN_MS)
    one({ reply: 'back' })
    expect((await ask().outcome).answer?.text).toBe('back')
  }

  it('opens after so many failures in a row, for this model only, and closes when a probe is answered', async () => {
    await open()
    const before = asked()
    expect((await ask([ONE, TWO]).outcome).answer?.model).toBe(TWO)
    expect(asked()).toBe(before + 1)
    await close()
    expect((await ask().outcome).answer?.text).toBe('back')
  })

  it('opens again when the probe fails', async () => {
    await open()
    await sleep(OPEN_MS + MARGIN_MS)
    const before = asked()
    expect((await ask().outcome).error?.detail).toContain('500')
    expect((await ask().outcome).error?.detail).toContain('failed too often')
    expect(asked()).toBe(before + 1)
    await close()
  })

  it('lets one call probe, and keeps none of the others waiting', async () => {
    await open()
    await sleep(OPEN_MS + MARGIN_MS)
    one({ reply: 'slow', latencyMs: 300 })
    const probe = ask().outcome
    const others = await Promise.all([ask().outcome, ask([ONE, TWO]).outcome])
    expect(others.map(({ answer }) => answer?.model)).toEqual([undefined, TWO])
    expect((await probe).answer?.text).toBe('slow')
    expect((await ask().outcome).answer?.text).toBe('slow')
  })

  it('stays open when the probe is aborted before a word came', async () => {
    await open()
    await sleep(OPEN_MS + MARGIN_MS)
    one({ hang: 'before-headers' })
    const before = asked()
    const probe = ask()
    await simulator.received(before + 1)
    probe.abort()
    await sleep(50)
    expect((await ask().outcome).error?.detail).toContain('failed too often')
    await probe.outcome
    await close()
  })

  it('is not opened by refusals, rate limits or aborts: they say nothing against the model', async () => {
    for (const status of [400, 401, 404, 429]) {
      one({ failure: { status } })
      for (let count = 0; count < 4; count += 1) await ask().outcome
    }
    one({ hang: 'before-headers' })
    for (let count = 0; count < 4; count += 1) {
      const before = asked()
      const { outcome, abort } = ask()
      await simulator.received(before + 1)
      abort()
      await outcome
    }
    one({ reply: 'still here' })
    expect((await ask().outcome).answer?.text).toBe('still here')
  })
})
