export interface Usage {
  /** All input tokens, the cached and the cache-written ones included, as OpenAI counts them. */
  readonly promptTokens: number
  readonly cachedTokens: number
  /** Anthropic only: OpenAI reports none. */
  readonly cacheWriteTokens: number
  /** All output tokens, the reasoning ones included. */
  readonly completionTokens: number
  /** OpenAI only: Anthropic reports none. */
  readonly reasoningTokens: number
}

export const NO_USAGE: Usage = {
  promptTokens: 0,
  cachedTokens: 0,
  cacheWriteTokens: 0,
  completionTokens: 0,
  reasoningTokens: 0,
}

export function addUsage(usage: Usage, more: Partial<Usage>): Usage {
  return {
    promptTokens: usage.promptTokens + (more.promptTokens ?? 0),
    cachedTokens: usage.cachedTokens + (more.cachedTokens ?? 0),
    cacheWriteTokens: usage.cacheWriteTokens + (more.cacheWriteTokens ?? 0),
    completionTokens: usage.completionTokens + (more.completionTokens ?? 0),
    reasoningTokens: usage.reasoningTokens + (more.reasoningTokens ?? 0),
  }
}
