import type { ModelAnswer } from '../model-call.js'

/** Of an answer's JSON. Longer ones are rare, and cheaper to make anew than to carry along. */
export const MAX_KEPT_ANSWER_BYTES = 262_144

const WHOLE_FINISH_REASONS = new Set(['stop', 'tool-calls'])
/** What `jsonb` refuses: a null character, or half of a surrogate pair, behind an even number of backslashes. */
const UNSTORABLE_ESCAPE = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f])/

/**
 * The JSON under which an answer is kept; null when it must not be: cut short, filtered, empty, with a tool call that
 * nobody can carry out, too long, or not to be stored to the letter. What is kept is given to others as if it were new.
 */
export function toKeepableJson(answer: ModelAnswer): string | null {
  if (!WHOLE_FINISH_REASONS.has(answer.finishReason)) return null
  if (answer.text.trim() === '' && answer.toolCalls.length === 0) return null
  if (!answer.toolCalls.every((call) => isJsonObject(call.arguments))) return null
  const { text, toolCalls, citations, finishReason, model } = answer
  const json = JSON.stringify({ text, toolCalls, citations, finishReason, model })
  return Buffer.byteLength(json) > MAX_KEPT_ANSWER_BYTES || UNSTORABLE_ESCAPE.test(json) ? null : json
}

function isJsonObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
