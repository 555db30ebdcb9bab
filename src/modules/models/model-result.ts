import type { LanguageModelUsage } from 'ai'
import { z } from 'zod'
import type { Citation, TokenUsage } from './model-call.js'

const citationSchema = z.object({
  documentId: z.string().nullable(),
  chunkId: z.string().nullable(),
  title: z.string(),
  start: z.number(),
  end: z.number(),
})

/** The SDK's providers have put cached tokens inside the input already. What a provider reports is not trusted to be sane. */
export function toTokenUsage(usage: LanguageModelUsage | undefined): TokenUsage {
  return {
    isReported: usage?.inputTokens !== undefined && usage.outputTokens !== undefined,
    inputTokens: toCount(usage?.inputTokens),
    cachedInputTokens: toCount(usage?.inputTokenDetails.cacheReadTokens),
    outputTokens: toCount(usage?.outputTokens),
    reasoningTokens: toCount(usage?.outputTokenDetails.reasoningTokens),
  }
}

/** Whole and not negative, rounded up: a fraction of a token is billed as one. */
function toCount(tokens: number | undefined): number {
  return tokens !== undefined && Number.isFinite(tokens) ? Math.max(0, Math.ceil(tokens)) : 0
}

/** The citations among a result's sources: those that say where in our own material they come from. */
export function toCitations(
  sources: readonly { readonly providerMetadata?: Record<string, unknown> | undefined }[],
): Citation[] {
  return sources.flatMap(({ providerMetadata }) => {
    const parsed = citationSchema.safeParse(providerMetadata?.['temponest'])
    return parsed.success ? [parsed.data] : []
  })
}
