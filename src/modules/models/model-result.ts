import type { LanguageModelV4Usage } from '@ai-sdk/provider'
import { z } from 'zod'
import type { Citation, TokenUsage } from './model-call.js'

const citationSchema = z.object({
  documentId: z.string().nullable(),
  chunkId: z.string().nullable(),
  title: z.string(),
  start: z.number(),
  end: z.number(),
})

/** Of one call. No model takes, or says, anything near that: a report of more is wrong, and would spend whole budgets. */
export const MAX_REPORTED_TOKENS = 1_000_000_000_000
const count = z.number().max(MAX_REPORTED_TOKENS).nullish()
/** Anthropic says at the start of a stream what the prompt came to: https://docs.anthropic.com/en/api/messages-streaming */
const messageStartSchema = z.object({
  type: z.literal('message_start'),
  message: z.object({
    usage: z.object({
      input_tokens: z.number().max(MAX_REPORTED_TOKENS),
      cache_creation_input_tokens: count,
      cache_read_input_tokens: count,
    }),
  }),
})

/** What the input of a call came to, as far as it is known before its end. */
export type InputUsage = Pick<TokenUsage, 'inputTokens' | 'cachedInputTokens' | 'cacheWriteTokens'>

const NOT_REPORTED: TokenUsage = {
  isReported: false,
  inputTokens: 0,
  cachedInputTokens: 0,
  cacheWriteTokens: 0,
  outputTokens: 0,
  reasoningTokens: 0,
}

/** The SDK's providers have put cached tokens inside the input already. A report that cannot be true is none. */
export function toTokenUsage(usage: LanguageModelV4Usage | undefined): TokenUsage {
  if (usage?.inputTokens.total === undefined || usage.outputTokens.total === undefined) return NOT_REPORTED
  const { inputTokens, outputTokens } = usage
  const counts = [
    inputTokens.total,
    inputTokens.cacheRead,
    inputTokens.cacheWrite,
    outputTokens.total,
    outputTokens.reasoning,
  ]
  if (!counts.every(isCredible)) return NOT_REPORTED
  return {
    isReported: true,
    inputTokens: toCount(inputTokens.total),
    cachedInputTokens: toCount(inputTokens.cacheRead),
    cacheWriteTokens: toCount(inputTokens.cacheWrite),
    outputTokens: toCount(outputTokens.total),
    reasoningTokens: toCount(outputTokens.reasoning),
  }
}

/** The input usage that a provider's own event tells of before the answer; null for every other event. */
export function findInputUsage(event: unknown): InputUsage | null {
  // Of each event of each answer: to be told why one is another costs much more than to see that it is.
  if (!isMessageStart(event)) return null
  const parsed = messageStartSchema.safeParse(event)
  if (!parsed.success) return null
  const { input_tokens, cache_creation_input_tokens, cache_read_input_tokens } = parsed.data.message.usage
  const cachedInputTokens = toCount(cache_read_input_tokens)
  const cacheWriteTokens = toCount(cache_creation_input_tokens)
  return {
    inputTokens: toCount(input_tokens) + cacheWriteTokens + cachedInputTokens,
    cachedInputTokens,
    cacheWriteTokens,
  }
}

function isMessageStart(event: unknown): boolean {
  return typeof event === 'object' && event !== null && 'type' in event && event.type === 'message_start'
}

function isCredible(tokens: number | null | undefined): boolean {
  return typeof tokens !== 'number' || (Number.isFinite(tokens) && tokens <= MAX_REPORTED_TOKENS)
}

/** Whole and not negative, rounded up: a fraction of a token is billed as one. */
function toCount(tokens: number | null | undefined): number {
  return typeof tokens === 'number' ? Math.max(0, Math.ceil(tokens)) : 0
}

/** The citation that a source stands for, if it says where in our own material it comes from. */
export function findCitation({
  providerMetadata,
}: {
  readonly providerMetadata?: Record<string, unknown> | undefined
}): Citation | null {
  const parsed = citationSchema.safeParse(providerMetadata?.['temponest'])
  return parsed.success ? parsed.data : null
}
