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

/** The SDK's providers have put cached tokens inside the input already; what a provider does not report counts as none. */
export function toTokenUsage(usage: LanguageModelUsage | undefined): TokenUsage {
  return {
    inputTokens: usage?.inputTokens ?? 0,
    cachedInputTokens: usage?.inputTokenDetails.cacheReadTokens ?? 0,
    outputTokens: usage?.outputTokens ?? 0,
    reasoningTokens: usage?.outputTokenDetails.reasoningTokens ?? 0,
  }
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
