import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import type { ModelTool } from '#modules/models'
import { heard, ModelHost } from '../support/model-host.js'
import { ModelSimulator } from '../support/model-simulator.js'

const USAGE = { promptTokens: 100, cachedTokens: 60, cacheWriteTokens: 15, completionTokens: 20, reasoningTokens: 5 }
const WEATHER: ModelTool = {
  name: 'weather',
  description: 'The weather of a city.',
  inputSchema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
}
const SLOW = { reply: 'one two three four five six seven eight', tokensPerSecond: 40 }

let simulator: ModelSimulator
let host: ModelHost

beforeAll(async () => {
  simulator = await ModelSimulator.start()
  host = await ModelHost.start({
    OPENAI_BASE_URL: simulator.baseUrl,
    ANTHROPIC_BASE_URL: simulator.baseUrl,
    MODEL_IDLE_TIMEOUT_MS: '1000',
    MODEL_CIRCUIT_FAILURES: '1000',
  })
})
afterEach(() => simulator.reset())
afterAll(async () => {
  await host?.[Symbol.asyncDispose]()
  await simulator?.stop()
})

describe.each([
  { model: 'openai/gpt-test', structured: 'openai/gpt-test', cacheWriteTokens: 0, reasoningTokens: 5 },
  // The SDK knows which of Anthropic's models give JSON by themselves; it has others call a tool.
  {
    model: 'anthropic/claude-test',
    structured: 'anthropic/claude-sonnet-4-5',
    cacheWriteTokens: 15,
    reasoningTokens: 0,
  },
])('a call of $model', ({ model, structured, cacheWriteTokens, reasoningTokens }) => {
  const call = (overrides: Parameters<ModelHost['call']>[0] = {}) => host.call({ models: [model], ...overrides })

  it('streams the answer as it comes, and accounts for what the provider reports', async () => {
    simulator.reply('One two three').set({ usage: USAGE })
    const { outcome, deltas } = call()
    const { answer, error, uses } = await outcome
    expect(error).toBeNull()
    expect(answer).toEqual({ text: 'One two three', toolCalls: [], citations: [], finishReason: 'stop', model })
    expect(deltas).toEqual([{ text: 'One ' }, { text: 'two ' }, { text: 'three' }])
    expect(uses).toEqual([
      {
        model,
        usage: {
          isReported: true,
          inputTokens: 100,
          cachedInputTokens: 60,
          cacheWriteTokens,
          outputTokens: 20,
          reasoningTokens,
        },
        isEstimated: false,
        outcome: 'answered',
      },
    ])
  })

  it('counts by itself what the provider reports beyond all reason', async () => {
    await host.warmCounter()
    simulator.reply('One two three').set({ usage: { ...USAGE, promptTokens: 1e13, completionTokens: 1e15 } })
    const { uses, answer } = await call().outcome
    expect(answer?.text).toBe('One two three')
    expect(uses).toMatchObject([{ isEstimated: true, outcome: 'answered', usage: { isReported: true } }])
    expect(uses[0]?.usage.outputTokens).toBe(3)
    expect(uses[0]?.usage.inputTokens).toBeLessThan(100)
  })

  it('brings tool calls, and raw text where the input is no JSON object', async () => {
    const toolCalls = [
      { id: 'call_1', name: 'weather', arguments: { city: 'Rome' } },
      { id: 'call_2', name: 'weather', arguments: '{"city": ' },
    ]
    simulator.set({ toolCalls, preamble: 'Let me see' })
    const { answer } = await call({ tools: [WEATHER] }).outcome
    expect(answer).toMatchObject({ text: 'Let me see', toolCalls, finishReason: 'tool-calls' })
    expect(JSON.stringify(simulator.requests[0]?.body['tools'])).toContain('The weather of a city.')
  })

  it('sends a conversation with tool calls and their results, a broken input too', async () => {
    simulator.reply('Sunny')
    const { answer } = await call({
      tools: [WEATHER],
      messages: [
        { role: 'user', text: 'How is it?' },
        {
          role: 'assistant',
          text: '',
          toolCalls: [
            { id: 'call_1', name: 'weather', arguments: { city: 'Rome' } },
            { id: 'call_2', name: 'weather', arguments: '{"city": ' },
          ],
        },
        { role: 'tool', callId: 'call_1', name: 'weather', text: 'It shines.', isError: false },
        { role: 'tool', callId: 'call_2', name: 'weather', text: 'Not JSON.', isError: true },
      ],
    }).outcome
    expect(answer?.text).toBe('Sunny')
    const sent = JSON.stringify(simulator.requests[0]?.body['messages'])
    for (const part of ['How is it?', 'call_1', 'Rome', 'It shines.', 'call_2', 'unparsed', 'Not JSON.']) {
      expect(sent).toContain(part)
    }
  })

  it('asks for JSON of the schema, and for no more tokens than it may have', async () => {
    const outputSchema = { type: 'object', properties: { a: { type: 'number' } }, additionalProperties: false }
    simulator.reply('{"a":1}')
    await call({ outputSchema, maxOutputTokens: 77 }).outcome
    const body = simulator.requests[0]?.body
    expect(body?.['max_tokens']).toBe(77)
    expect(JSON.stringify(body)).toContain('"a":{"type":"number"}')
  })

  it('tells the provider the call and the try', async () => {
    simulator.next({ failure: { status: 503 } })
    await call({ callId: 'run-7' }).outcome
    expect(simulator.requests.map(({ headers }) => headers['x-client-request-id'])).toEqual(['run-7-1', 'run-7-2'])
  })

  it('ends within a second of an abort, and counts what had come', async () => {
    simulator.set({ ...SLOW, tokensPerSecond: 20, usage: USAGE })
    const { outcome, deltas, abort } = call()
    while (deltas.length < 3) await new Promise((resolve) => setTimeout(resolve, 5))
    const abortedAt = performance.now()
    abort()
    const { answer, error, uses } = await outcome
    expect(performance.now() - abortedAt).toBeLessThan(1000)
    expect([answer, error]).toEqual([null, null])
    expect(uses).toMatchObject([{ model, isEstimated: true, outcome: 'aborted' }])
    // A word is a token here, and so is the space that stands after the last.
    expect(uses[0]?.usage.outputTokens).toBe(deltas.length + 1)
    // Anthropic has told already what the prompt came to; of OpenAI's we count the few words ourselves.
    const isAnthropic = model.startsWith('anthropic')
    if (isAnthropic) expect(uses[0]?.usage).toMatchObject({ inputTokens: 100, cachedInputTokens: 60 })
    else expect(uses[0]?.usage.inputTokens).toBeLessThan(20)
    expect(uses[0]?.usage.inputTokens).toBeGreaterThan(3)
    await simulator.settled()
    expect(simulator.requests.map((request) => request.outcome)).toEqual(['disconnected'])
  })

  it('keeps what was said when the stream breaks off, and goes on from there', async () => {
    simulator.next({ ...SLOW, hangUp: { afterChunks: 8 } }).reply('and the rest')
    const { outcome, deltas } = call({ maxOutputTokens: 50 })
    const { answer, uses } = await outcome
    const seamAt = deltas.findIndex(({ seam }) => seam)
    const said = heard(deltas.slice(0, seamAt))
    expect(said).toMatch(/^one two /)
    expect(deltas[seamAt]).toEqual({ text: 'and ', seam: { from: model, to: model, keptCharacters: said.length } })
    expect(answer?.text).toBe(`${said}and the rest`)
    expect(heard(deltas)).toBe(answer?.text)
    expect(uses).toMatchObject([
      { outcome: 'failed', isEstimated: true, usage: { outputTokens: seamAt + 1 } },
      { outcome: 'answered', isEstimated: false },
    ])
    const second = simulator.requests[1]
    expect(second?.text).toContain(said.trimEnd())
    expect(second?.lastUserText).toContain('Continue it exactly there')
    expect(second?.body['max_tokens']).toBe(50 - (seamAt + 1))
  })

  it('takes silence in the middle of an answer for its end', async () => {
    simulator.next({ ...SLOW, hang: { afterChunks: 8 } }).reply('rest')
    const { outcome, deltas } = call()
    const { answer } = await outcome
    expect(answer?.text).toMatch(/^one two .*rest$/)
    expect(heard(deltas)).toBe(answer?.text)
  })

  it('starts over where half an answer cannot be continued: JSON', async () => {
    simulator.next({ ...SLOW, hangUp: { afterChunks: 8 } }).reply('{"a":1}')
    const { outcome, deltas } = call({ models: [structured], outputSchema: { type: 'object', properties: {} } })
    expect((await outcome).answer?.text).toBe('{"a":1}')
    expect(deltas.find(({ seam }) => seam)?.seam).toEqual({ from: structured, to: structured, keptCharacters: 0 })
    expect(heard(deltas)).toBe('{"a":1}')
  })

  it('starts over where half an answer cannot be continued: tool calls, with a seam though no text follows', async () => {
    const toolCalls = [{ name: 'weather', arguments: { city: 'New York in the state of New York' } }]
    simulator
      .next({ toolCalls, preamble: 'Let me', tokensPerSecond: 40, hangUp: { afterChunks: 9 } })
      .set({ toolCalls: [{ name: 'weather', arguments: { city: 'Rome' } }] })
    const { outcome, deltas } = call({ tools: [WEATHER] })
    expect((await outcome).answer).toMatchObject({ text: '', toolCalls: [{ arguments: { city: 'Rome' } }] })
    expect(heard(deltas.slice(0, -1))).toBe('Let me')
    expect(deltas.at(-1)).toEqual({ text: '', seam: { from: model, to: model, keptCharacters: 0 } })
  })

  it('retries what cannot be read', async () => {
    simulator.next({ isMalformed: true }).reply('fine')
    expect((await call().outcome).answer?.text).toBe('fine')
  })

  it('fails an answer without end, and more tools at once than anybody needs', async () => {
    simulator.next({ reply: `${'x'.repeat(100_000)} `.repeat(21) })
    const long = await call().outcome
    expect(long).toMatchObject({ answer: null, error: { code: 'model_failed' }, uses: [{ outcome: 'failed' }] })
    expect(long.error?.detail).toContain('longer than 2000000 characters')
    simulator.set({ toolCalls: Array.from({ length: 65 }, () => ({ name: 'weather', arguments: {} })) })
    const many = await call({ tools: [WEATHER] }).outcome
    expect(many.error?.detail).toContain('more than 64 tools')
    expect(simulator.requests).toHaveLength(2)
  })
})

it('makes no call when it is aborted before it begins, nor counts one', async () => {
  const { outcome } = host.call({ signal: AbortSignal.abort() })
  expect(await outcome).toEqual({ answer: null, error: null, uses: [] })
  expect(simulator.requests).toEqual([])
})

it('counts the prompt of a call that is aborted before anything came', async () => {
  simulator.set({ hang: 'before-headers' })
  const { outcome, abort } = host.call()
  await simulator.received(1)
  abort()
  const { uses } = await outcome
  expect(uses).toMatchObject([{ outcome: 'aborted', isEstimated: true, usage: { outputTokens: 0 } }])
  expect(uses[0]?.usage.inputTokens).toBeGreaterThan(3)
})

it('is not kept by a wait for the next try when it is aborted', async () => {
  simulator.set({ failure: { status: 429, retryAfter: 30 } })
  const { outcome, abort } = host.call()
  await simulator.received(1)
  setTimeout(abort, 50)
  expect(await outcome).toEqual({ answer: null, error: null, uses: [] })
})

it('passes on what the caller throws, and lets go of the connection', async () => {
  simulator.set({ ...SLOW, tokensPerSecond: 10 })
  const { outcome } = host.call({
    onDelta: () => {
      throw new Error('a mistake of ours')
    },
  })
  await expect(outcome).rejects.toThrow('a mistake of ours')
  await simulator.settled()
  expect(simulator.requests.map((request) => request.outcome)).toEqual(['disconnected'])
})
