import {
  InvalidArgumentError,
  type LanguageModelV4,
  type LanguageModelV4CallOptions,
  type LanguageModelV4FinishReason,
  type LanguageModelV4GenerateResult,
  type LanguageModelV4Source,
  type LanguageModelV4StreamPart,
  type LanguageModelV4StreamResult,
  type SharedV4Warning,
} from '@ai-sdk/provider'
import { answerFrom, type Citation } from './extractive-answer.js'
import { type Material, materialSchema } from './material.js'
import { messageText, promptText } from './prompt-text.js'

const TEXT_ID = '0'

/**
 * `offline/extractive`: answers when no language model is configured, by quoting the sentences of the material that match
 * the task best. Deterministic, no network. The material is `providerOptions.temponest` of the last user message
 * (`materialSchema`), else that message's text is the task.
 */
export class OfflineModel implements LanguageModelV4 {
  readonly specificationVersion = 'v4'
  readonly provider = 'offline'
  readonly modelId = 'extractive'
  readonly supportedUrls = {}

  constructor(private readonly tokenizer: { countTokens: (text: string) => Promise<number> }) {}

  /** @throws InvalidArgumentError when the structured material is malformed; the signal's reason when aborted. */
  async doGenerate(options: LanguageModelV4CallOptions): Promise<LanguageModelV4GenerateResult> {
    options.abortSignal?.throwIfAborted()
    const answer = answerFrom(materialOf(options))
    const inputTokens = await this.tokenizer.countTokens(promptText(options.prompt))
    const text = await this.cutToTokens(answer.text, options)
    const outputTokens = await this.tokenizer.countTokens(text)
    options.abortSignal?.throwIfAborted()

    const cited = answer.citations.filter(({ textEnd }) => textEnd <= text.length)
    return {
      content: [{ type: 'text', text }, ...cited.map(({ citation }, index) => sourceOf(citation, index + 1))],
      finishReason: finishReasonOf(options, { isCut: text.length < answer.text.length }),
      usage: {
        inputTokens: { total: inputTokens, noCache: inputTokens, cacheRead: 0, cacheWrite: 0 },
        outputTokens: { total: outputTokens, text: outputTokens, reasoning: 0 },
      },
      response: { modelId: this.modelId },
      warnings: warningsFor(options),
    }
  }

  /** The same answer in parts, a line of text at a time; an abort errors the stream with the signal's reason. */
  async doStream(options: LanguageModelV4CallOptions): Promise<LanguageModelV4StreamResult> {
    const parts = partsOf(await this.doGenerate(options))
    return {
      stream: new ReadableStream<LanguageModelV4StreamPart>(
        {
          pull(controller) {
            options.abortSignal?.throwIfAborted()
            const next = parts.next()
            if (next.done) controller.close()
            else controller.enqueue(next.value)
          },
        },
        // Nothing is read ahead, so that an abort is seen before the next part.
        { highWaterMark: 0 },
      ),
    }
  }

  /** The longest beginning of `text` that has at most `maxOutputTokens`; text without a limit is not counted here. */
  private async cutToTokens(
    text: string,
    { maxOutputTokens, abortSignal }: LanguageModelV4CallOptions,
  ): Promise<string> {
    if (maxOutputTokens === undefined || (await this.tokenizer.countTokens(text)) <= maxOutputTokens) return text
    let fits = 0
    let exceeds = text.length
    while (exceeds - fits > 1) {
      abortSignal?.throwIfAborted()
      const middle = Math.floor((fits + exceeds) / 2)
      if ((await this.tokenizer.countTokens(text.slice(0, middle).toWellFormed())) <= maxOutputTokens) fits = middle
      else exceeds = middle
    }
    const endsInHalfAPair = /[\uD800-\uDBFF]/.test(text.charAt(fits - 1))
    return text.slice(0, endsInHalfAPair ? fits - 1 : fits)
  }
}

function materialOf({ prompt }: LanguageModelV4CallOptions): Material {
  const message = prompt.findLast(({ role }) => role === 'user')
  const structured = message?.providerOptions?.['temponest']
  if (structured === undefined) return { task: message ? messageText(message) : '' }
  const parsed = materialSchema.safeParse(structured)
  if (parsed.success) return parsed.data
  throw new InvalidArgumentError({
    argument: 'providerOptions.temponest',
    message: `providerOptions.temponest is not the offline model's material: ${parsed.error.message}`,
    cause: parsed.error,
  })
}

function* partsOf(result: LanguageModelV4GenerateResult): Generator<LanguageModelV4StreamPart, undefined> {
  yield { type: 'stream-start', warnings: result.warnings }
  yield { type: 'response-metadata', ...(result.response?.modelId ? { modelId: result.response.modelId } : {}) }
  for (const part of result.content) {
    if (part.type === 'source') yield part
    if (part.type !== 'text') continue
    yield { type: 'text-start', id: TEXT_ID }
    for (const line of part.text.match(/[^\n]*\n|[^\n]+$/g) ?? [])
      yield { type: 'text-delta', id: TEXT_ID, delta: line }
    yield { type: 'text-end', id: TEXT_ID }
  }
  yield { type: 'finish', finishReason: result.finishReason, usage: result.usage }
}

function sourceOf(citation: Citation, reference: number): LanguageModelV4Source {
  return {
    type: 'source',
    sourceType: 'document',
    id: String(reference),
    mediaType: 'text/plain',
    title: citation.title,
    providerMetadata: { temponest: { ...citation } },
  }
}

/** Quotes cannot be made to fit a schema: that is said in the finish reason, and the caller decides what it means. */
function finishReasonOf(
  options: LanguageModelV4CallOptions,
  { isCut }: { isCut: boolean },
): LanguageModelV4FinishReason {
  if (options.responseFormat?.type === 'json') return { unified: 'other', raw: 'structured_output_unsupported' }
  return isCut ? { unified: 'length', raw: 'max_output_tokens' } : { unified: 'stop', raw: 'stop' }
}

function warningsFor({ responseFormat, tools, stopSequences }: LanguageModelV4CallOptions): SharedV4Warning[] {
  const unsupported = [
    ...(responseFormat?.type === 'json' ? ['responseFormat'] : []),
    ...(tools && tools.length > 0 ? ['tools'] : []),
    ...(stopSequences && stopSequences.length > 0 ? ['stopSequences'] : []),
  ]
  const details = 'The offline model only quotes the material; configure a language model.'
  return unsupported.map((feature) => ({ type: 'unsupported', feature, details }))
}
