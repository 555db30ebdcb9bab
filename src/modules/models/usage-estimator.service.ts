import type { LanguageModelV4CallOptions } from '@ai-sdk/provider'
import { Injectable } from '@nestjs/common'
import type { AnswerDraft } from './answer-draft.js'
import type { TokenUsage } from './model-call.js'
import { promptText } from './offline/prompt-text.js'
import { TokenCounter } from './token-counter.js'

/** A cancelled run waits for this: a rough count at once is worth more than a good one later. */
export const ESTIMATE_TIMEOUT_MS = 500

/** Counts what a call has used whose provider cannot tell any more, since it was broken off. */
@Injectable()
export class UsageEstimator {
  constructor(private readonly counter: TokenCounter) {}

  /** What the provider has told of the input already stays as it told it. */
  async estimate({ prompt, tools }: LanguageModelV4CallOptions, draft: AnswerDraft): Promise<TokenUsage> {
    const { inputUsage, text, reasoning, toolInput } = draft
    const input = inputUsage ? '' : `${promptText(prompt)}${tools ? JSON.stringify(tools) : ''}`
    const texts = [input, text, reasoning, toolInput]
    const counts = await this.counter.countEach(texts, { timeoutMs: ESTIMATE_TIMEOUT_MS })
    const [inputTokens = 0, textTokens = 0, reasoningTokens = 0, toolTokens = 0] = counts
    return {
      isReported: true,
      inputTokens,
      cachedInputTokens: 0,
      ...inputUsage,
      outputTokens: textTokens + reasoningTokens + toolTokens,
      reasoningTokens,
    }
  }
}
