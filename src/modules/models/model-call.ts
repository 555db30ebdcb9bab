import type { AppError } from '#kernel/app-error.js'
import type { Material } from './offline/material.js'

export type JsonSchema = Readonly<Record<string, unknown>>

export interface ModelToolCall {
  readonly id: string
  readonly name: string
  /** Parsed JSON object; when the model's text is no JSON object: the raw text. */
  readonly arguments: unknown
}

export type ModelMessage =
  | { readonly role: 'user'; readonly text: string }
  | { readonly role: 'assistant'; readonly text: string; readonly toolCalls: readonly ModelToolCall[] }
  | {
      readonly role: 'tool'
      readonly callId: string
      readonly name: string
      readonly text: string
      readonly isError: boolean
    }

export interface ModelTool {
  readonly name: string
  readonly description: string
  readonly inputSchema: JsonSchema
}

/** A place where another model, or another try of the same one, goes on. */
export interface ModelSeam {
  readonly from: string
  readonly to: string
  /** UTF-16 code units of what was said before that stay; with 0 the answer starts over. */
  readonly keptCharacters: number
}

export interface ModelDelta {
  /** Empty at a seam after which no text follows. */
  readonly text: string
  readonly seam?: ModelSeam
}

/** The parts of the prompt, for a model that wants them apart. */
export type PromptMaterial = Material

/** One question to one model, or to those that stand in for it. */
export interface ModelCall {
  /** Full names, `provider/model`, in the order in which they are asked. */
  readonly models: readonly string[]
  /** System prompt. */
  readonly instructions: string
  readonly messages: readonly ModelMessage[]
  readonly tools: readonly ModelTool[]
  /** The answer must be JSON of this form. */
  readonly outputSchema?: JsonSchema
  readonly maxOutputTokens?: number
  /** The most tokens that a model can answer with; null, or absent: nobody has said. */
  readonly longestAnswerOf?: (model: string) => number | null
  readonly material: PromptMaterial
  /** Sent as `X-Client-Request-Id` with `-<n>` for the n-th try, so that a provider's log can be matched with ours. */
  readonly callId: string
  readonly signal: AbortSignal
  /**
   * Awaited before each further try that may cost something, once one has. An AppError of it ends the call with that error.
   * @returns output tokens that the try is held to; undefined: as before
   */
  readonly beforeNextTry?: (next: NextTry) => Promise<number | undefined>
  /** What it throws ends the call. */
  readonly onDelta: (delta: ModelDelta) => void
}

/** One more network call for the same answer. */
export interface NextTry {
  readonly model: string
  /** Of the tries before. */
  readonly uses: readonly ModelUse[]
  /** What it is held to; undefined: nothing. */
  readonly maxOutputTokens: number | undefined
}

/**
 * Tokens of a call, normalised: `inputTokens` holds the cached ones and those that were put into the provider's cache (as OpenAI
 * and OpenTelemetry count, and not as Anthropic does), `outputTokens` the reasoning ones.
 */
export interface TokenUsage {
  /** False when the provider kept silent and nobody counted: the counts are 0 then, and the cost is unknown. */
  readonly isReported: boolean
  readonly inputTokens: number
  readonly cachedInputTokens: number
  readonly cacheWriteTokens: number
  readonly outputTokens: number
  readonly reasoningTokens: number
}

/** One network call that may have cost something. */
export interface ModelUse {
  readonly model: string
  readonly usage: TokenUsage
  /** Counted by us, since the provider could not tell any more. */
  readonly isEstimated: boolean
  readonly outcome: 'answered' | 'failed' | 'aborted'
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
  readonly toolCalls: readonly ModelToolCall[]
  readonly citations: readonly Citation[]
  /** Why the model stopped; `length` when the answer was cut. */
  readonly finishReason: string
  /** The model that ended it: not always the first one asked. */
  readonly model: string
}

/** What came of a call: an answer, or an error, or, when it was aborted, neither. */
export interface ModelOutcome {
  readonly answer: ModelAnswer | null
  /** `model_failed`, or what `beforeNextTry` has thrown. */
  readonly error: AppError | null
  /** In the order in which the calls were made. */
  readonly uses: readonly ModelUse[]
}
