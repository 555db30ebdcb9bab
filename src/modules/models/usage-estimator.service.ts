import type { LanguageModelV4CallOptions } from '@ai-sdk/provider'
import { Injectable } from '@nestjs/common'
import type { AnswerDraft } from './answer-draft.js'
import type { TokenUsage } from './model-call.js'
import { promptText } from './offline/prompt-text.js'
import { TokenCounter } from './token-counter.js'

/** A cancelled run waits for this: a rough count at once is worth more than a good one later. */
export const ABORTED_TIMEOUT_MS = 500

/** Counts what a call has used whose provider does not tell, or cannot any more, since it was broken off. */
@Injectable()
export class UsageEstimator {
  constructor(private readonly counter: TokenCounter) {}

  /** What the provider has told of the input already stays as it told it. Once `callSignal` aborts it is counted roughly. */
  async estimate(
    { prompt, tools }: LanguageModelV4CallOptions,
    draft: AnswerDraft,
    callSignal: AbortSignal,
  ): Promise<TokenUsage> {
    const { inputUsage, text, reasoning, toolInput } = draft
    const input = inputUsage ? '' : `${promptText(prompt)}${tools ? JSON.stringify(tools) : ''}`
    const texts = [input, text, reasoning, toolInput]
    using patience = new Patience(callSignal)
    const counts = await this.counter.countEach(texts, { signal: patience.signal })
    const [inputTokens = 0, textTokens = 0, reasoningTokens = 0, toolTokens = 0] = counts
    return {
      isReported: true,
      inputTokens,
      cachedInputTokens: 0,
      cacheWriteTokens: 0,
      ...inputUsage,
      outputTokens: textTokens + reasoningTokens + toolTokens,
      reasoningTokens,
    }
  }
}

/** Ends some time after a call was aborted. */
class Patience implements Disposable {
  private readonly end = new AbortController()
  private timer: NodeJS.Timeout | undefined

  constructor(private readonly callSignal: AbortSignal) {
    if (callSignal.aborted) this.beginToEnd()
    else callSignal.addEventListener('abort', this.beginToEnd, { once: true })
  }

  get signal(): AbortSignal {
    return this.end.signal
  }

  [Symbol.dispose](): void {
    this.callSignal.removeEventListener('abort', this.beginToEnd)
    clearTimeout(this.timer)
  }

  private readonly beginToEnd = (): void => {
    this.timer = setTimeout(() => this.end.abort(), ABORTED_TIMEOUT_MS)
  }
}
