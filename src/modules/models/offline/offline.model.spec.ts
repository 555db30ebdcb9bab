import { describe, expect, it } from '@jest/globals'
import type {
  LanguageModelV4CallOptions,
  LanguageModelV4GenerateResult,
  LanguageModelV4StreamPart,
} from '@ai-sdk/provider'
import { generateText, NoObjectGeneratedError, Output, streamText } from 'ai'
import { z } from 'zod'
import { OfflineModel } from './offline.model.js'

const countTokens = async (text: string) => text.match(/\S+/g)?.length ?? 0
const model = new OfflineModel({ countTokens })

const material = {
  task: 'How long do refunds take for monthly and annual plans?',
  context: 'Shipping is free. Refunds for monthly plans take 14 days.',
  passages: [
    { documentId: 'doc', chunkId: 'chunk', title: 'FAQ', text: 'Annual plans are refunded in part.', start: 44 },
  ],
}
const userMessage = {
  role: 'user' as const,
  content: [{ type: 'text' as const, text: `${material.task}\n\n${material.context}` }],
  providerOptions: { temponest: material },
}
const system = 'You are terse.'

function call(options: Partial<LanguageModelV4CallOptions> = {}): LanguageModelV4CallOptions {
  return { prompt: [{ role: 'system', content: system }, userMessage], ...options }
}

function textOf({ content }: LanguageModelV4GenerateResult): string {
  return content.map((part) => (part.type === 'text' ? part.text : '')).join('')
}

function sourcesOf({ content }: LanguageModelV4GenerateResult) {
  return content.filter((part) => part.type === 'source')
}

describe('OfflineModel', () => {
  it('answers from the structured material with one text part and a source per citation', async () => {
    const result = await model.doGenerate(call())
    expect(result.content.map(({ type }) => type)).toEqual(['text', 'source', 'source'])
    expect(textOf(result)).toContain(
      '- Refunds for monthly plans take 14 days. [1]\n- Annual plans are refunded in part. [2]\n',
    )
    expect(sourcesOf(result)[1]).toEqual({
      type: 'source',
      sourceType: 'document',
      id: '2',
      mediaType: 'text/plain',
      title: 'FAQ',
      providerMetadata: { temponest: { documentId: 'doc', chunkId: 'chunk', title: 'FAQ', start: 44, end: 78 } },
    })
    expect(result).toMatchObject({ finishReason: { unified: 'stop', raw: 'stop' }, warnings: [] })
  })

  it('takes the text of the last user message for the task without structured material', async () => {
    const content = [{ type: 'text' as const, text: 'Write a haiku.' }]
    expect(textOf(await model.doGenerate({ prompt: [userMessage, { role: 'user', content }] }))).toContain(
      '- [ ] Write a haiku.',
    )
    expect(textOf(await model.doGenerate({ prompt: [] }))).toContain('The task is empty.')
  })

  it('refuses structured material that is malformed', async () => {
    const prompt = [{ ...userMessage, providerOptions: { temponest: { task: 1 } } }]
    await expect(model.doGenerate({ prompt })).rejects.toMatchObject({ argument: 'providerOptions.temponest' })
  })

  it('counts the tokens of the whole prompt and of the answer', async () => {
    const toolCall = { type: 'tool-call' as const, toolCallId: '1', toolName: 'four', input: { five: true } }
    const output = { type: 'text' as const, value: 'six' }
    const result = await model.doGenerate({
      prompt: [
        { role: 'system', content: 'one two' },
        { role: 'assistant', content: [{ type: 'text', text: 'three' }, toolCall] },
        { role: 'tool', content: [{ type: 'tool-result', toolCallId: '1', toolName: 'four', output }] },
        { role: 'user', content: [{ type: 'text', text: 'seven eight' }] },
      ],
    })
    expect(result.usage.inputTokens).toEqual({ total: 8, noCache: 8, cacheRead: 0, cacheWrite: 0 })
    const written = await countTokens(textOf(result))
    expect(result.usage.outputTokens).toEqual({ total: written, text: written, reasoning: 0 })
  })

  it('cuts its answer to maxOutputTokens and cites only what it still says', async () => {
    const whole = textOf(await model.doGenerate(call()))
    const wholeTokens = await countTokens(whole)
    for (let maxOutputTokens = 1; maxOutputTokens < wholeTokens; maxOutputTokens += 1) {
      const result = await model.doGenerate(call({ maxOutputTokens }))
      const text = textOf(result)
      expect(result.finishReason).toEqual({ unified: 'length', raw: 'max_output_tokens' })
      expect(result.usage.outputTokens.total).toBe(maxOutputTokens)
      expect(whole.startsWith(text)).toBe(true)
      expect(sourcesOf(result)).toHaveLength(text.match(/ \[\d\]\n/g)?.length ?? 0)
    }
    const exact = await model.doGenerate(call({ maxOutputTokens: wholeTokens }))
    expect(textOf(exact)).toBe(whole)
    expect(exact.finishReason.unified).toBe('stop')
  })

  it('counts a bounded number of times to find where to cut', async () => {
    let counted = 0
    const counting = new OfflineModel({ countTokens: async (text) => ((counted += 1), text.length) })
    const task = 'Refund the plan. '.repeat(6_000)
    const result = await counting.doGenerate({
      ...call({ maxOutputTokens: 300 }),
      prompt: [{ ...userMessage, providerOptions: { temponest: { task, context: task } } }],
    })
    expect(textOf(result)).toHaveLength(300)
    expect(counted).toBeLessThan(20)
  })

  it('says that it cannot honour a schema, tools or stop sequences, and answers all the same', async () => {
    const result = await model.doGenerate(
      call({
        responseFormat: { type: 'json', schema: { type: 'object' } },
        tools: [{ type: 'function', name: 'search', inputSchema: { type: 'object' } }],
        stopSequences: ['END'],
      }),
    )
    expect(result.finishReason).toEqual({ unified: 'other', raw: 'structured_output_unsupported' })
    expect(textOf(result)).toBe(textOf(await model.doGenerate(call())))
    expect(result.warnings.map((warning) => warning.type === 'unsupported' && warning.feature)).toEqual([
      'responseFormat',
      'tools',
      'stopSequences',
    ])
  })

  it('rejects with the reason when it is aborted, before and while it works', async () => {
    const reason = new Error('cancelled')
    await expect(model.doGenerate(call({ abortSignal: AbortSignal.abort(reason) }))).rejects.toBe(reason)
    const controller = new AbortController()
    const aborting = new OfflineModel({ countTokens: async () => (controller.abort(reason), 1) })
    await expect(aborting.doGenerate(call({ abortSignal: controller.signal }))).rejects.toBe(reason)
  })

  it('streams what it generates, a line at a time', async () => {
    const generated = await model.doGenerate(call())
    const parts: LanguageModelV4StreamPart[] = []
    for await (const part of (await model.doStream(call())).stream) parts.push(part)
    const deltas = parts.filter((part) => part.type === 'text-delta').map(({ delta }) => delta)
    expect(deltas.join('')).toBe(textOf(generated))
    expect(deltas.every((delta) => /^[^\n]*\n$/.test(delta))).toBe(true)
    expect(parts.filter((part) => part.type === 'source')).toEqual(sourcesOf(generated))
    expect(parts.map(({ type }) => type).filter((type) => type !== 'text-delta' && type !== 'source')).toEqual([
      'stream-start',
      'response-metadata',
      'text-start',
      'text-end',
      'finish',
    ])
    expect(parts.at(-1)).toEqual({ type: 'finish', usage: generated.usage, finishReason: generated.finishReason })
  })

  it('ends the stream at once with the reason of an abort', async () => {
    const controller = new AbortController()
    const reason = new Error('cancelled')
    const reader = (await model.doStream(call({ abortSignal: controller.signal }))).stream.getReader()
    for (let read = 0; read < 4; read += 1) await reader.read()
    controller.abort(reason)
    await expect(reader.read()).rejects.toBe(reason)
  })
})

describe('OfflineModel behind the AI SDK', () => {
  it('generates and streams the same text, sources and usage', async () => {
    const generated = await generateText({ model, system, messages: [userMessage] })
    expect(generated.text).toBe(textOf(await model.doGenerate(call())))
    expect(generated.sources).toHaveLength(2)

    const streamed = streamText({ model, system, messages: [userMessage] })
    expect(await streamed.text).toBe(generated.text)
    expect(await streamed.sources).toEqual(generated.sources)
    expect(await streamed.usage).toEqual(generated.usage)
  })

  it('fails a call that asks for a schema, leaving the reason and the usage to the caller', async () => {
    Object.assign(globalThis, { AI_SDK_LOG_WARNINGS: false })
    const output = Output.object({ schema: z.object({ answer: z.string() }) })
    const failure: unknown = await generateText({ model, system, messages: [userMessage], output }).catch(
      (error) => error,
    )
    expect(NoObjectGeneratedError.isInstance(failure)).toBe(true)
    expect(failure).toMatchObject({ finishReason: 'other', usage: { inputTokens: expect.any(Number) } })
  })
})
