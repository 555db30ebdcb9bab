import type { JSONSchema7 } from '@ai-sdk/provider'
import type { Material } from './offline/material.js'

/** One question to one model. */
export interface ModelCall {
  /** Full name, `provider/model`. */
  readonly model: string
  /** System prompt. */
  readonly instructions: string
  readonly prompt: string
  /** The parts of the prompt, for a model that wants them apart. */
  readonly material: Material
  /** The answer must be JSON of this form. */
  readonly outputSchema?: JSONSchema7
  readonly maxOutputTokens?: number
  readonly signal: AbortSignal
}

/**
 * Tokens of a call, normalised: `inputTokens` holds the cached ones (as OpenAI and OpenTelemetry count, and not as
 * Anthropic does), `outputTokens` the reasoning ones.
 */
export interface TokenUsage {
  /** False when the provider kept silent about it: the counts are 0 then, and the cost is unknown. */
  readonly isReported: boolean
  readonly inputTokens: number
  readonly cachedInputTokens: number
  readonly outputTokens: number
  readonly reasoningTokens: number
}

/** Where a statement comes from: characters `start` to `end` of a document, or of the context (no document). */
export interface Citation {
  readonly documentId: string | null
  readonly chunkId: string | null
  readonly title: string
  readonly start: number
  readonly end: number
}

export interface ModelAnswer {
  readonly text: string
  readonly usage: TokenUsage
  readonly citations: readonly Citation[]
  /** Why the model stopped; `length` when the answer was cut. */
  readonly finishReason: string
}
