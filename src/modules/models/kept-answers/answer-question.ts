import type { JsonSchema, ModelMessage, ModelTool } from '../model-call.js'

/** All that a model's answer follows from. Two questions that are alike in this may have one answer. */
export interface AnswerQuestion {
  /** Slug. */
  readonly agent: string
  readonly agentVersion: number
  /** Full name of the model that is asked first, `provider/model`. */
  readonly model: string
  /** System prompt. */
  readonly instructions: string
  readonly messages: readonly ModelMessage[]
  readonly tools: readonly ModelTool[]
  readonly outputSchema: JsonSchema | null
  readonly maxOutputTokens: number | null
  /** Of the collections that the run may search; null when it searches none. */
  readonly knowledgeRevision: string | null
}

/** What lets an answer grow old: each kind has a time of its own. */
export type AnswerKind = 'text' | 'structured' | 'tools' | 'knowledge'

/** All kinds that a question is of: its answer lives for the least of their times, and not at all if one of them is 0. */
export function kindsOf({ outputSchema, tools, knowledgeRevision }: AnswerQuestion): AnswerKind[] {
  const kinds: AnswerKind[] = [outputSchema === null ? 'text' : 'structured']
  if (tools.length > 0) kinds.push('tools')
  if (knowledgeRevision !== null) kinds.push('knowledge')
  return kinds
}
