import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { Usd } from '#kernel/usd.js'
import { begin, whenDone } from '../runs/run-lab.js'
import { eventually } from '../support/eventually.js'
import { listLog } from '../support/run-states.js'
import { ScriptedProvider } from '../support/scripted-provider.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'
import { entriesOf, setPrice } from './costs-api.js'

/** Tokens as they are to be billed: each in one place. */
interface Billed {
  readonly input?: number
  readonly cachedInput?: number
  readonly cacheWrite?: number
  readonly output?: number
  readonly reasoning?: number
}

/** So far from each other that a token which is billed as another kind, twice or not at all shows in the cost. */
const PRICES = {
  inputUsdPerMillion: '1.000001',
  cachedInputUsdPerMillion: '0.0103',
  cacheWriteUsdPerMillion: '70.07',
  outputUsdPerMillion: '5000.11',
  reasoningUsdPerMillion: '900000.13',
}

let provider: ScriptedProvider
let app: TestApp
let user: TestUser

beforeAll(async () => {
  provider = await ScriptedProvider.start()
  app = await TestApp.start({
    env: {
      OPENAI_BASE_URL: `${provider.url}/v1`,
      OPENAI_API_KEY: 'test',
      ANTHROPIC_BASE_URL: `${provider.url}/v1`,
      ANTHROPIC_API_KEY: 'test',
      OLLAMA_BASE_URL: provider.url,
      MODEL_MAX_RETRIES: '0',
      MODEL_CIRCUIT_FAILURES: '1000',
    },
  })
  user = await TestUser.register(app)
  for (const model of ['openai/documented', 'anthropic/documented', 'ollama/llama3.2:1b']) {
    await setPrice(user, model, PRICES)
  }
})
afterAll(async () => {
  await app?.[Symbol.asyncDispose]()
  await provider?.stop()
})

function costOf({ input = 0, cachedInput = 0, cacheWrite = 0, output = 0, reasoning = 0 }: Billed): string {
  const parts: [string, number][] = [
    [PRICES.inputUsdPerMillion, input],
    [PRICES.cachedInputUsdPerMillion, cachedInput],
    [PRICES.cacheWriteUsdPerMillion, cacheWrite],
    [PRICES.outputUsdPerMillion, output],
    [PRICES.reasoningUsdPerMillion, reasoning],
  ]
  return parts.reduce((sum, [price, tokens]) => sum.plus(Usd.parse(price).forTokens(tokens)), Usd.ZERO).toString()
}

/** The entry's columns: kinds of input are part of the input, reasoning is part of the output. */
function columnsOf({ input = 0, cachedInput = 0, cacheWrite = 0, output = 0, reasoning = 0 }: Billed): object {
  return {
    input_tokens: String(input + cachedInput + cacheWrite),
    cached_input_tokens: String(cachedInput),
    cache_write_tokens: String(cacheWrite),
    output_tokens: String(output + reasoning),
    reasoning_tokens: String(reasoning),
  }
}

async function expectBilled(model: string, billed: Billed): Promise<void> {
  const run = (await user.run({ task: 'Say hello.', model })).json()
  expect([run.status, run.costUsd]).toEqual(['completed', costOf(billed)])
  const entries = await entriesOf(app, user, run.id)
  expect(entries).toMatchObject([{ ...columnsOf(billed), is_estimated: false, cost_usd: costOf(billed) }])
}

const chunk = (fields: object): object => ({
  id: 'chatcmpl-123',
  object: 'chat.completion.chunk',
  created: 1_694_268_190,
  model: 'documented',
  ...fields,
})
const delta = (content: object, finishReason: string | null = null): object =>
  chunk({ choices: [{ index: 0, delta: content, logprobs: null, finish_reason: finishReason }] })
const HELLO = [delta({ role: 'assistant', content: '' }), delta({ content: 'Hello' }), delta({}, 'stop')]

/** Answers in OpenAI's protocol, with this in the last chunk. */
function reportAtEnd(usage: object): void {
  provider.answer([...HELLO, chunk({ choices: [], usage }), '[DONE]'])
}

describe("OpenAI's chat completions", () => {
  // https://platform.openai.com/docs/guides/prompt-caching
  it('count what was read from the cache inside the prompt', async () => {
    reportAtEnd({
      prompt_tokens: 2006,
      completion_tokens: 300,
      total_tokens: 2306,
      prompt_tokens_details: { cached_tokens: 1920 },
      completion_tokens_details: { reasoning_tokens: 0, accepted_prediction_tokens: 0, rejected_prediction_tokens: 0 },
    })
    await expectBilled('openai/documented', { input: 86, cachedInput: 1920, output: 300 })
  })

  // https://platform.openai.com/docs/api-reference/chat/object
  it('count reasoning inside the completion', async () => {
    reportAtEnd({
      prompt_tokens: 75,
      completion_tokens: 1186,
      total_tokens: 1261,
      prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
      completion_tokens_details: {
        reasoning_tokens: 1024,
        audio_tokens: 0,
        accepted_prediction_tokens: 0,
        rejected_prediction_tokens: 0,
      },
    })
    await expectBilled('openai/documented', { input: 75, output: 162, reasoning: 1024 })
  })
})

describe("servers that speak OpenAI's protocol", () => {
  // https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html: `continuous_usage_stats` reports with each chunk.
  it('vLLM: without kinds, and with what it has come to by then in each chunk', async () => {
    const usage = (completion: number) => ({
      prompt_tokens: 31,
      total_tokens: 31 + completion,
      completion_tokens: completion,
      prompt_tokens_details: null,
    })
    const running = HELLO.map((event, index) => ({ ...event, usage: usage(index) }))
    provider.answer([...running, chunk({ choices: [], usage: usage(7) }), '[DONE]'])
    await expectBilled('openai/documented', { input: 31, output: 7 })
  })

  // https://api-docs.deepseek.com/api/create-chat-completion
  it('DeepSeek: hits of the cache, part of the prompt, in a field of their own', async () => {
    reportAtEnd({
      prompt_tokens: 1000,
      completion_tokens: 90,
      total_tokens: 1090,
      prompt_cache_hit_tokens: 960,
      prompt_cache_miss_tokens: 40,
      completion_tokens_details: { reasoning_tokens: 60 },
    })
    await expectBilled('openai/documented', { input: 40, cachedInput: 960, output: 30, reasoning: 60 })
  })

  // https://openrouter.ai/docs/use-cases/usage-accounting
  it('OpenRouter: what was written to the cache, part of the prompt', async () => {
    reportAtEnd({
      completion_tokens: 2,
      completion_tokens_details: { reasoning_tokens: 0 },
      cost: 0.95,
      cost_details: { upstream_inference_cost: 19 },
      prompt_tokens: 194,
      prompt_tokens_details: { cached_tokens: 0, cache_write_tokens: 100, audio_tokens: 0 },
      total_tokens: 196,
    })
    await expectBilled('openai/documented', { input: 94, cacheWrite: 100, output: 2 })
  })

  // https://docs.cloud.google.com/vertex-ai/generative-ai/docs/partner-models/grok/capabilities/reasoning
  it('xAI: reasoning beside the completion, as the total shows', async () => {
    reportAtEnd({
      completion_tokens: 50,
      completion_tokens_details: {
        accepted_prediction_tokens: 0,
        audio_tokens: 0,
        reasoning_tokens: 124,
        rejected_prediction_tokens: 0,
      },
      cost_in_usd_ticks: 0,
      num_sources_used: 0,
      prompt_tokens: 663,
      prompt_tokens_details: { audio_tokens: 0, cached_tokens: 654, image_tokens: 0, text_tokens: 663 },
      total_tokens: 837,
    })
    await expectBilled('openai/documented', { input: 9, cachedInput: 654, output: 50, reasoning: 124 })
  })

  // https://docs.ollama.com/api/openai-compatibility
  it('Ollama: prompt_eval_count and eval_count under the names of OpenAI', async () => {
    reportAtEnd({ prompt_tokens: 26, completion_tokens: 290, total_tokens: 316 })
    await expectBilled('ollama/llama3.2:1b', { input: 26, output: 290 })
  })

  it.each([
    ['nothing', undefined],
    ['null', null],
    ['no counts', {}],
    ['the output alone', { completion_tokens: 3 }],
    ['less than nothing', { prompt_tokens: -5, completion_tokens: 3, total_tokens: -2 }],
  ])('one that reports %s is counted here, and never free', async (_what, usage) => {
    provider.answer([...HELLO, chunk({ choices: [], ...(usage !== undefined && { usage }) }), '[DONE]'])
    const run = (await user.run({ task: 'Say hello.', model: 'openai/documented' })).json()
    expect(run).toMatchObject({ status: 'completed', usage: { outputTokens: 1 } })
    expect(run.usage.inputTokens).toBeGreaterThan(5)
    expect(await entriesOf(app, user, run.id)).toMatchObject([{ is_estimated: true, cost_usd: run.costUsd }])
  })
})

describe("Anthropic's messages", () => {
  const messageStart = (usage: object): object => ({
    type: 'message_start',
    message: {
      id: 'msg_1nZdL29xx5MUA1yADyHTEsnR8uuvGzszyY',
      type: 'message',
      role: 'assistant',
      content: [],
      model: 'documented',
      stop_reason: null,
      stop_sequence: null,
      usage,
    },
  })
  const TEXT = [
    { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
    { type: 'ping' },
    { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Hello' } },
    { type: 'content_block_stop', index: 0 },
  ]
  const messageDelta = (usage: object): object => ({
    type: 'message_delta',
    delta: { stop_reason: 'end_turn', stop_sequence: null },
    usage,
  })
  const STOP = { type: 'message_stop' }

  // https://platform.claude.com/docs/en/build-with-claude/streaming
  it('report the input as they begin, and the output, in all, as they end', async () => {
    provider.answer([
      messageStart({ input_tokens: 25, output_tokens: 1 }),
      ...TEXT,
      messageDelta({ output_tokens: 15 }),
      STOP,
    ])
    await expectBilled('anthropic/documented', { input: 25, output: 15 })
  })

  // https://platform.claude.com/docs/en/build-with-claude/prompt-caching: the three add up to the whole input.
  it('count what was read from the cache and written to it beside the input', async () => {
    const cached = {
      input_tokens: 50,
      cache_read_input_tokens: 100_000,
      cache_creation_input_tokens: 248,
      cache_creation: { ephemeral_5m_input_tokens: 148, ephemeral_1h_input_tokens: 100 },
    }
    provider.answer([
      messageStart({ ...cached, output_tokens: 1 }),
      ...TEXT,
      messageDelta({ output_tokens: 503 }),
      STOP,
    ])
    await expectBilled('anthropic/documented', { input: 50, cachedInput: 100_000, cacheWrite: 248, output: 503 })
  })

  // https://platform.claude.com/docs/en/build-with-claude/streaming: counts of message_delta are cumulative, all of them.
  it('correct at their end what they have reported at their beginning', async () => {
    provider.answer([
      messageStart({
        input_tokens: 2679,
        cache_creation_input_tokens: 0,
        cache_read_input_tokens: 0,
        output_tokens: 3,
      }),
      ...TEXT,
      messageDelta({ input_tokens: 10_000, output_tokens: 400 }),
      messageDelta({
        input_tokens: 10_682,
        cache_creation_input_tokens: 12,
        cache_read_input_tokens: 34,
        output_tokens: 510,
        server_tool_use: { web_search_requests: 1 },
      }),
      STOP,
    ])
    await expectBilled('anthropic/documented', { input: 10_682, cacheWrite: 12, cachedInput: 34, output: 510 })
  })

  // https://platform.claude.com/docs/en/api/messages
  it('count thinking inside the output', async () => {
    provider.answer([
      messageStart({ input_tokens: 10, output_tokens: 1 }),
      ...TEXT,
      messageDelta({ output_tokens: 120, output_tokens_details: { thinking_tokens: 100 } }),
      STOP,
    ])
    await expectBilled('anthropic/documented', { input: 10, output: 20, reasoning: 100 })
  })

  // https://platform.claude.com/docs/en/about-claude/pricing: writes cost 1.25 of the input, reads a tenth.
  it('are paid at the published prices of each kind', async () => {
    const usage = { input_tokens: 100, cache_read_input_tokens: 1000, cache_creation_input_tokens: 10_000 }
    provider.answer([messageStart({ ...usage, output_tokens: 1 }), ...TEXT, messageDelta({ output_tokens: 10 }), STOP])
    const run = (await user.run({ task: 'Say hello.', model: 'anthropic/claude-sonnet-4-20250514' })).json()
    expect(await entriesOf(app, user, run.id)).toMatchObject([
      {
        input_usd_per_million: '3',
        cached_input_usd_per_million: '0.3',
        cache_write_usd_per_million: '3.75',
        output_usd_per_million: '15',
      },
    ])
    // 0.0003 + 0.0003 + 0.0375 + 0.00015
    expect(run.costUsd).toBe('0.03825')
  })

  describe('that do not come to their end', () => {
    const usage = { input_tokens: 5, cache_read_input_tokens: 700, cache_creation_input_tokens: 300, output_tokens: 1 }
    const begun = [messageStart(usage), ...TEXT.slice(0, 3)]
    const billed = { input: 5, cachedInput: 700, cacheWrite: 300, output: 1 }

    it('cost what they had used until somebody stopped them', async () => {
      provider.answer(begun, 'hang')
      const id = await begin(user, 'developer', { model: 'anthropic/documented' })
      await eventually(
        () => listLog(user, id),
        (log) => log.some(({ type }) => type === 'output.delta'),
      )
      await user.request({ method: 'POST', url: `/v1/runs/${id}/cancel` })
      expect(await whenDone(user, id)).toMatchObject({ status: 'cancelled', costUsd: costOf(billed) })
      expect(await entriesOf(app, user, id)).toMatchObject([{ ...columnsOf(billed), is_estimated: true }])
    })

    it('cost what they had used until the connection broke', async () => {
      provider.answer(begun, 'hang-up')
      const run = (await user.run({ task: 'Say hello.', model: 'anthropic/documented' })).json()
      expect(run).toMatchObject({ status: 'failed', error: { code: 'model_failed' }, costUsd: costOf(billed) })
      expect(await entriesOf(app, user, run.id)).toMatchObject([{ ...columnsOf(billed), is_estimated: true }])
    })
  })
})
