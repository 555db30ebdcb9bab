import type { LanguageModelV4Usage } from '@ai-sdk/provider'
import { z } from 'zod'

const count = z.number().nonnegative().nullish().catch(undefined)

/** https://platform.openai.com/docs/api-reference/chat/object, and what servers that speak it say in their own words. */
const usageSchema = z.object({
  prompt_tokens: count,
  completion_tokens: count,
  total_tokens: count,
  prompt_tokens_details: z
    .object({
      cached_tokens: count,
      /** OpenRouter: https://openrouter.ai/docs/use-cases/usage-accounting */
      cache_write_tokens: count,
    })
    .nullish()
    .catch(undefined),
  completion_tokens_details: z.object({ reasoning_tokens: count }).nullish().catch(undefined),
  /** DeepSeek, part of the input: https://api-docs.deepseek.com/api/create-chat-completion */
  prompt_cache_hit_tokens: count,
})

/** OpenAI's usage as the SDK has it: kinds of tokens are part of all input, or all output. What is missing is unknown, not 0. */
export function readOpenAiUsage(reported: unknown): LanguageModelV4Usage {
  const usage = usageSchema.safeParse(reported).data ?? {}
  const input = usage.prompt_tokens ?? undefined
  const reasoning = usage.completion_tokens_details?.reasoning_tokens ?? undefined
  const output = outputOf(usage.completion_tokens ?? undefined, reasoning, (usage.total_tokens ?? 0) - (input ?? 0))
  return {
    inputTokens: {
      total: input,
      noCache: undefined,
      cacheRead: usage.prompt_tokens_details?.cached_tokens ?? usage.prompt_cache_hit_tokens ?? undefined,
      cacheWrite: usage.prompt_tokens_details?.cache_write_tokens ?? undefined,
    },
    outputTokens: { total: output, text: undefined, reasoning },
  }
}

/**
 * xAI counts reasoning beside the completion, where OpenAI counts it inside; the total tells:
 * https://docs.cloud.google.com/vertex-ai/generative-ai/docs/partner-models/grok/capabilities/reasoning
 */
function outputOf(completion: number | undefined, reasoning = 0, billed: number): number | undefined {
  return completion !== undefined && billed === completion + reasoning ? billed : completion
}
