import { createHash } from 'node:crypto'
import canonicalize from 'canonicalize'
import type { AnswerQuestion } from './answer-question.js'
import type { ModelMessage } from '../model-call.js'

/** To be raised with any change to what is hashed, or to the form in which answers are kept: older ones are then never found. */
const FORMAT_VERSION = 1
const LONE_SURROGATE_SIGN = '\\ud'
/** Half of a surrogate pair as JSON escapes it; an escaped backslash is passed over. */
const JSON_ESCAPE = /\\(?:ud[89a-f][0-9a-f]{2}|.)/g

/**
 * SHA-256 of the question's RFC 8785 form. The order of keys means nothing, that of messages and tools does. The ids of
 * tool calls count by their order of appearance alone, since providers draw them anew for each answer.
 */
export function hashQuestion(question: AnswerQuestion): Buffer {
  const text = canonicalize(
    wellFormed([FORMAT_VERSION, { ...question, messages: withNumberedCalls(question.messages) }]),
  )
  if (text === undefined) throw new Error('a question has a JSON form')
  return createHash('sha256').update(text).digest()
}

function withNumberedCalls(messages: readonly ModelMessage[]): object[] {
  const numbers = new Map<string, number>()
  const numberOf = (id: string): number => {
    const number = numbers.get(id) ?? numbers.size
    numbers.set(id, number)
    return number
  }
  return messages.map((message) => {
    if (message.role === 'tool') return { ...message, callId: numberOf(message.callId) }
    if (message.role === 'user') return message
    return { ...message, toolCalls: message.toolCalls.map((call) => ({ ...call, id: numberOf(call.id) })) }
  })
}

/** RFC 8785 has no form for half a surrogate pair. PostgreSQL holds U+FFFD for it, and so do we. */
function wellFormed(value: unknown): unknown {
  const json = JSON.stringify(value)
  if (!json.includes(LONE_SURROGATE_SIGN)) return value
  return JSON.parse(json.replaceAll(JSON_ESCAPE, (escape) => (escape.length > 2 ? '\\ufffd' : escape)))
}
