import { createAnthropic } from '@ai-sdk/anthropic'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { generateText, isStepCount, streamText, tool } from 'ai'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import OpenAI, { APIConnectionError } from 'openai'
import { z } from 'zod'
import { ModelSimulator } from './model-simulator.js'

const USAGE = { promptTokens: 100, cachedTokens: 60, cacheWriteTokens: 15, completionTokens: 20, reasoningTokens: 5 }
const NO_USAGE = { promptTokens: 0, cachedTokens: 0, cacheWriteTokens: 0, completionTokens: 0, reasoningTokens: 0 }
const WEATHER = { name: 'weather', arguments: { city: 'New York' } }
const tools = { weather: tool({ inputSchema: z.object({ city: z.string() }), execute: () => 'sunny' }) }
const messages = [{ role: 'user' as const, content: 'Say hello' }]
const onError = () => {}

let simulator: ModelSimulator
let openai: OpenAI
let openAiModel: ReturnType<ReturnType<typeof createOpenAICompatible>>
let anthropicModel: ReturnType<ReturnType<typeof createAnthropic>>

beforeAll(async () => {
  Object.assign(globalThis, { AI_SDK_LOG_WARNINGS: false })
  simulator = await ModelSimulator.start()
  const connection = { baseURL: simulator.baseUrl, apiKey: 'key' }
  openai = new OpenAI({ ...connection, maxRetries: 0 })
  openAiModel = createOpenAICompatible({ ...connection, name: 'simulator', includeUsage: true })('gpt-test')
  anthropicModel = createAnthropic(connection)('claude-test')
})
afterEach(() => simulator.reset())
afterAll(() => simulator.stop())

const complete = () => openai.chat.completions.create({ model: 'gpt-test', messages })

async function ask(model: string) {
  return (await openai.chat.completions.create({ model, messages })).choices[0]?.message.content
}

async function streamChunks(options: { include_usage?: boolean } = {}, { signal } = new AbortController()) {
  const body = { model: 'gpt-test', messages, stream: true, stream_options: options } as const
  const chunks: OpenAI.ChatCompletionChunk[] = []
  for await (const chunk of await openai.chat.completions.create(body, { signal })) chunks.push(chunk)
  return chunks
}

describe('ModelSimulator, with the OpenAI client', () => {
  it('answers with text and its usage, and records the request', async () => {
    simulator.reply('Hello there').set({ usage: USAGE })
    const completion = await complete()
    expect(completion).toMatchObject({
      object: 'chat.completion',
      model: 'gpt-test',
      choices: [{ message: { role: 'assistant', content: 'Hello there' }, finish_reason: 'stop' }],
      usage: {
        prompt_tokens: 100,
        completion_tokens: 20,
        total_tokens: 120,
        prompt_tokens_details: { cached_tokens: 60 },
        completion_tokens_details: { reasoning_tokens: 5 },
      },
    })
    expect(simulator.requests).toHaveLength(1)
    expect(simulator.requests[0]).toMatchObject({
      path: '/v1/chat/completions',
      headers: { authorization: 'Bearer key' },
      body: { messages },
      model: 'gpt-test',
      lastUserText: 'Say hello',
      status: 200,
      outcome: 'answered',
      usage: { ...USAGE, cacheWriteTokens: 0 },
    })
  })

  it('streams a chunk a word, with the usage only when it is asked for', async () => {
    simulator.reply('One two three')
    const chunks = await streamChunks({ include_usage: true })
    expect(chunks.map(({ choices }) => choices[0]?.delta.content).filter(Boolean)).toEqual(['One ', 'two ', 'three'])
    expect(chunks.at(-2)?.choices[0]?.finish_reason).toBe('stop')
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: 3 } })

    const withoutUsage = await streamChunks()
    expect(withoutUsage.some(({ usage }) => usage)).toBe(false)
    expect(simulator.requests.map(({ usage }) => usage?.completionTokens)).toEqual([3, undefined])
    expect(simulator.totals).toMatchObject({ requests: 2, completionTokens: 3 })
  })

  it('waits out Retry-After with the client, then answers', async () => {
    simulator.next({ failure: { status: 429, retryAfter: 1 } })
    const completion = await openai.chat.completions.create({ model: 'gpt-test', messages }, { maxRetries: 1 })
    expect(completion.choices[0]?.message.content).toBe('Simulated answer to: Say hello')
    const [first, second] = simulator.requests
    expect(first).toMatchObject({ status: 429, usage: null })
    expect(Number(second?.receivedAt) - Number(first?.receivedAt)).toBeGreaterThanOrEqual(990)
  })

  it('fails the first requests, with any status and body, then succeeds', async () => {
    simulator
      .next({ failure: { status: 503 } }, 2)
      .next({ failure: { status: 400, body: { error: { message: 'no' } } } })
    await expect(complete()).rejects.toMatchObject({ status: 503, type: 'server_error' })
    await expect(complete()).rejects.toMatchObject({ status: 503 })
    await expect(complete()).rejects.toMatchObject({ status: 400, error: { message: 'no' } })
    await expect(complete()).resolves.toMatchObject({ object: 'chat.completion' })
  })

  it('refuses max_tokens for models that reason, as OpenAI does', async () => {
    const create = (limit: object) => openai.chat.completions.create({ model: 'gpt-5-mini', messages, ...limit })
    await expect(create({ max_tokens: 9 })).rejects.toMatchObject({ status: 400, code: 'unsupported_parameter' })
    await expect(create({ max_completion_tokens: 9 })).resolves.toMatchObject({ object: 'chat.completion' })
  })

  it('hangs up before the headers, in the middle of a body and after so many chunks', async () => {
    simulator.next({ hangUp: 'before-headers' }).next({ hangUp: { afterChunks: 1 } })
    await expect(complete()).rejects.toBeInstanceOf(APIConnectionError)
    await expect(complete()).rejects.toThrow(/terminated|JSON|closed/i)

    for (const afterChunks of [0, 3]) {
      simulator.next({ hangUp: { afterChunks } })
      const stream = await openai.chat.completions.create({ model: 'gpt-test', messages, stream: true })
      let received = 0
      const read = async () => {
        for await (const chunk of stream) received += chunk.choices.length
      }
      await expect(read()).rejects.toThrow('terminated')
      expect(received).toBe(afterChunks)
    }
    expect(simulator.requests.map(({ outcome }) => outcome)).toEqual(Array(4).fill('hung-up'))
    expect(simulator.totals).toMatchObject({ requests: 4, completionTokens: 0 })
  })

  it('hangs until the client goes away, and records that it did', async () => {
    simulator
      .next({ hang: 'before-headers' })
      .next({ hang: { afterChunks: 2 } })
      .next({ latencyMs: 60_000 })
    simulator.next({ tokensPerSecond: 0.1 })
    for (let count = 1; count <= 4; count += 1) {
      const abort = new AbortController()
      const { signal } = abort
      const answer =
        count % 2 === 1 ? openai.chat.completions.create({ model: 'm', messages }, { signal }) : streamChunks({}, abort)
      await simulator.received(count)
      setTimeout(() => abort.abort(), 20)
      await answer.catch(onError)
    }
    await simulator.settled()
    expect(simulator.requests.map(({ outcome }) => outcome)).toEqual(Array(4).fill('disconnected'))
  })
})

describe.each([
  ['OpenAI', () => openAiModel, { ...USAGE, cacheWriteTokens: 0 }],
  ['Anthropic', () => anthropicModel, { ...USAGE, reasoningTokens: 0 }],
])('ModelSimulator, with the AI SDK speaking %s', (_name, modelOf, reported) => {
  const generate = () => generateText({ model: modelOf(), messages, maxRetries: 0 })
  const expectedUsage = {
    inputTokens: 100,
    inputTokenDetails: { cacheReadTokens: reported.cachedTokens, noCacheTokens: 40 - reported.cacheWriteTokens },
    outputTokens: 20,
  }

  it('generates text and reports usage that the totals agree with', async () => {
    simulator.reply(({ lastUserText }) => `You said: ${lastUserText}`).set({ usage: USAGE })
    const result = await generateText({ model: modelOf(), messages })
    expect(result).toMatchObject({ text: 'You said: Say hello', finishReason: 'stop', usage: expectedUsage })
    expect(simulator.totals).toEqual({ requests: 1, ...reported })
  })

  it('streams text and reports usage that the totals agree with', async () => {
    simulator.reply('One two three').set({ usage: USAGE })
    const result = streamText({ model: modelOf(), messages, onError })
    const deltas: string[] = []
    for await (const delta of result.textStream) deltas.push(delta)
    expect(deltas).toEqual(['One ', 'two ', 'three'])
    expect(await result.usage).toMatchObject(expectedUsage)
    expect(simulator.totals).toEqual({ requests: 1, ...reported })
  })

  it('calls tools, whole and streamed, after a preamble', async () => {
    simulator.set({ toolCalls: [WEATHER], preamble: 'Let me see' })
    const whole = await generateText({ model: modelOf(), messages, tools, stopWhen: isStepCount(1) })
    const streamed = streamText({ model: modelOf(), messages, tools, onError, stopWhen: isStepCount(1) })
    const call = { toolName: 'weather', input: { city: 'New York' } }
    expect(whole).toMatchObject({ finishReason: 'tool-calls', text: 'Let me see', toolCalls: [call] })
    expect(await streamed.toolCalls).toMatchObject([call])
    expect(await streamed.finishReason).toBe('tool-calls')
  })

  it('lets the SDK honour Retry-After', async () => {
    simulator.next({ failure: { status: 429, retryAfter: 1 } })
    const { text } = await generateText({ model: modelOf(), messages })
    expect(text).toBe('Simulated answer to: Say hello')
    const [first, second] = simulator.requests
    expect(first?.status).toBe(429)
    expect(Number(second?.receivedAt) - Number(first?.receivedAt)).toBeGreaterThanOrEqual(990)
  })

  it('words errors so that the SDK understands them, and sends what does not parse', async () => {
    simulator
      .next({ failure: { status: 401 } })
      .next({ isMalformed: true })
      .next({ hangUp: 'before-headers' })
    await expect(generate()).rejects.toMatchObject({
      statusCode: 401,
      message: 'Simulated error 401',
      isRetryable: false,
    })
    await expect(generate()).rejects.toMatchObject({ statusCode: 200, message: 'Invalid JSON response' })
    await expect(generate()).rejects.toThrow('fetch failed')
    expect(simulator.totals).toEqual({ requests: 3, ...NO_USAGE })
  })

  it('breaks a stream off, by a hang-up or by what does not parse', async () => {
    simulator.next({ hangUp: { afterChunks: 4 } }).next({ isMalformed: true })
    for (let count = 0; count < 2; count += 1) {
      const result = streamText({ model: modelOf(), messages, maxRetries: 0, onError })
      expect(await result.finishReason.then(String, () => 'error')).toBe('error')
    }
    expect(simulator.totals.completionTokens).toBe(0)
  })
})

describe('ModelSimulator', () => {
  it('waits before it answers and paces its stream', async () => {
    simulator.reply('a b c d e f g h i j').set({ latencyMs: 50, tokensPerSecond: 100 })
    const startedAt = performance.now()
    expect(await streamChunks()).toHaveLength(12)
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(145)
  })

  it('answers by what is set: always, over that by the rule, over that the next of the queue', async () => {
    simulator.reply('always').next({ reply: 'next' }).next({ reply: 'next' })
    simulator.when(({ model }) => (model === 'special' ? { reply: 'rule' } : null))
    expect([await ask('special'), await ask('m'), await ask('special'), await ask('m')]).toEqual([
      'next',
      'next',
      'rule',
      'always',
    ])
    simulator.reset()
    expect(await ask('special')).toBe('Simulated answer to: Say hello')
    expect(simulator.totals.requests).toBe(1)
  })

  it('calls a tool first and answers in text once it has the result', async () => {
    simulator.reply('It is sunny').set({ toolCalls: ({ text }) => (text.includes('sunny') ? [] : [WEATHER]) })
    const result = await generateText({ model: openAiModel, messages, tools, stopWhen: isStepCount(3) })
    expect(result.steps.map(({ finishReason }) => finishReason)).toEqual(['tool-calls', 'stop'])
    expect(result.text).toBe('It is sunny')
  })

  it('lists its model, refuses what it does not know and says when a behaviour threw', async () => {
    expect((await openai.models.list()).data).toMatchObject([{ id: 'simulated' }])
    const post = (path: string, body: string) => fetch(`${simulator.baseUrl}${path}`, { method: 'POST', body })
    expect((await post('/embeddings', '{}')).status).toBe(404)
    expect((await post('/messages', '{')).status).toBe(400)
    expect(simulator.requests).toEqual([])
    simulator.reply(() => {
      throw new Error('oops')
    })
    await expect(complete()).rejects.toThrow('Error: oops')
  })

  it('gives up waiting for what does not come', async () => {
    await expect(simulator.received(1, { timeoutMs: 10 })).rejects.toThrow('only 0 of 1 requests had arrived')
  })

  it('keeps the latest requests only, and counts all', async () => {
    const small = await ModelSimulator.start({ recordLimit: 2, reply: 'one' })
    const client = new OpenAI({ baseURL: small.baseUrl, apiKey: 'key' })
    for (let count = 0; count < 3; count += 1) await client.chat.completions.create({ model: 'm', messages })
    await small.stop()
    expect(small.requests.map(({ id }) => id)).toEqual([2, 3])
    expect(small.totals).toMatchObject({ requests: 3, completionTokens: 3 })
  })

  it('closes connections that hang when it stops', async () => {
    const stopping = await ModelSimulator.start({ hang: 'before-headers' })
    const client = new OpenAI({ baseURL: stopping.baseUrl, apiKey: 'key', maxRetries: 0 })
    const answer = client.chat.completions.create({ model: 'm', messages }).catch((error: unknown) => error)
    await stopping.received(1)
    await stopping.stop()
    expect(await answer).toBeInstanceOf(APIConnectionError)
  })

  it('runs in a process of its own and prints its base URL', async () => {
    const main = fileURLToPath(new URL('model-simulator/main.ts', import.meta.url))
    const child = spawn(process.execPath, [main, '--reply', 'from afar'], { stdio: ['ignore', 'pipe', 'inherit'] })
    const [line] = await once(child.stdout, 'data')
    const { baseUrl } = z.object({ baseUrl: z.url() }).parse(JSON.parse(String(line)))
    const client = new OpenAI({ baseURL: baseUrl, apiKey: 'key' })
    const completion = await client.chat.completions.create({ model: 'm', messages })
    expect(completion.choices[0]?.message.content).toBe('from afar')
    child.kill('SIGTERM')
    expect(await once(child, 'exit')).toEqual([0, null])
  })
})
