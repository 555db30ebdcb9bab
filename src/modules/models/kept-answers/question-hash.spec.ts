import { describe, expect, it } from '@jest/globals'
import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import * as fc from 'fast-check'
import type { AnswerQuestion } from './answer-question.js'
import type { ModelMessage, ModelToolCall } from '../model-call.js'
import { hashQuestion } from './question-hash.js'

const slug = fc.string({ minLength: 1, maxLength: 8 })
const text = fc.string({ unit: 'grapheme', maxLength: 30 })
const jsonObject = fc.dictionary(text, fc.jsonValue({ maxDepth: 2 }), { maxKeys: 3 })
// As JSON has it, without the negative zero that RFC 8785 writes as 0.
const plainObject = jsonObject.map((value): Record<string, unknown> => JSON.parse(JSON.stringify(value)))
const toolCall: fc.Arbitrary<ModelToolCall> = fc.record({ id: slug, name: slug, arguments: plainObject })
const message: fc.Arbitrary<ModelMessage> = fc.oneof(
  fc.record({ role: fc.constant('user' as const), text }),
  fc.record({ role: fc.constant('assistant' as const), text, toolCalls: fc.array(toolCall, { maxLength: 3 }) }),
  fc.record({ role: fc.constant('tool' as const), callId: slug, name: slug, text, isError: fc.boolean() }),
)
const PARTS = {
  agent: slug,
  agentVersion: fc.nat(),
  model: slug,
  instructions: text,
  messages: fc.array(message, { maxLength: 5 }),
  tools: fc.array(fc.record({ name: slug, description: text, inputSchema: plainObject }), { maxLength: 3 }),
  outputSchema: fc.option(plainObject),
  maxOutputTokens: fc.option(fc.nat()),
  knowledgeRevision: fc.option(text),
}
const question: fc.Arbitrary<AnswerQuestion> = fc.record(PARTS)

const hex = (asked: AnswerQuestion): string => hashQuestion(asked).toString('hex')

/** Distinct ids in the order of their first appearance. */
function idsOf(messages: readonly ModelMessage[]): string[] {
  const all = messages.flatMap((said) =>
    said.role === 'tool' ? [said.callId] : said.role === 'assistant' ? said.toolCalls.map(({ id }) => id) : [],
  )
  return [...new Set(all)]
}

function renamed(messages: readonly ModelMessage[], nameOf: (id: string) => string): ModelMessage[] {
  return messages.map((said) => {
    if (said.role === 'tool') return { ...said, callId: nameOf(said.callId) }
    if (said.role === 'user') return said
    return { ...said, toolCalls: said.toolCalls.map((call) => ({ ...call, id: nameOf(call.id) })) }
  })
}

/** The same question with other ids; equal only when the conversations are, but for the ids. */
function withNumberedIds(asked: AnswerQuestion): AnswerQuestion {
  const ids = idsOf(asked.messages)
  return { ...asked, messages: renamed(asked.messages, (id) => `#${ids.indexOf(id)}`) }
}

function reversedKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversedKeys)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([key, member]) => [key, reversedKeys(member)]),
  )
}

const CALLING: ModelMessage[] = [
  { role: 'user', text: 'What time is it in Rome and in Oslo?' },
  {
    role: 'assistant',
    text: '',
    toolCalls: [
      { id: 'call_a', name: 'clock', arguments: { city: 'Rome' } },
      { id: 'call_b', name: 'clock', arguments: { city: 'Oslo' } },
    ],
  },
  { role: 'tool', callId: 'call_b', name: 'clock', text: '12:00', isError: false },
  { role: 'tool', callId: 'call_a', name: 'clock', text: '12:00', isError: false },
]
const ASKED: AnswerQuestion = {
  agent: 'developer',
  agentVersion: 1,
  model: 'openai/gpt-4o-mini',
  instructions: 'Be brief.',
  messages: CALLING,
  tools: [],
  outputSchema: null,
  maxOutputTokens: null,
  knowledgeRevision: null,
}

describe('the hash of a question', () => {
  it('is SHA-256 of its canonical JSON with the format version', () => {
    const plain = { ...ASKED, messages: [{ role: 'user' as const, text: 'Hi' }] }
    const json =
      '[1,{"agent":"developer","agentVersion":1,"instructions":"Be brief.","knowledgeRevision":null,' +
      '"maxOutputTokens":null,"messages":[{"role":"user","text":"Hi"}],"model":"openai/gpt-4o-mini",' +
      '"outputSchema":null,"tools":[]}]'
    expect(hex(plain)).toBe(createHash('sha256').update(json).digest('hex'))
  })

  it.each(Object.keys(PARTS) as (keyof typeof PARTS)[])('changes with %s', (part) => {
    fc.assert(
      fc.property(question, question, (one, other) => {
        const changed = { ...one, [part]: other[part] }
        fc.pre(!isDeepStrictEqual(withNumberedIds(one), withNumberedIds(changed)))
        expect(hex(changed)).not.toBe(hex(one))
      }),
    )
  })

  it('does not change with the order of keys', () => {
    fc.assert(fc.property(question, (asked) => expect(hex(reversedKeys(asked) as AnswerQuestion)).toBe(hex(asked))))
  })

  it('changes with the order of messages and of tools', () => {
    const tools = ['a', 'b'].map((name) => ({ name, description: '', inputSchema: {} }))
    expect(hex({ ...ASKED, tools: tools.toReversed() })).not.toBe(hex({ ...ASKED, tools }))
    expect(hex({ ...ASKED, messages: CALLING.toReversed() })).not.toBe(hex(ASKED))
  })

  it('is the same whatever ids a provider draws for its calls', () => {
    fc.assert(
      fc.property(question, slug, (asked, prefix) => {
        const ids = idsOf(asked.messages)
        const messages = renamed(asked.messages, (id) => `${prefix}${ids.length - ids.indexOf(id)}`)
        expect(hex({ ...asked, messages })).toBe(hex(asked))
      }),
    )
  })

  it('changes when a result belongs to another call, or two calls have one id', () => {
    const [asked, called, first, second] = CALLING
    const swapped = [asked, called, { ...first, callId: 'call_a' }, { ...second, callId: 'call_b' }] as ModelMessage[]
    const merged = renamed(CALLING, () => 'call_a')
    expect(new Set([ASKED, { ...ASKED, messages: swapped }, { ...ASKED, messages: merged }].map(hex)).size).toBe(3)
  })

  it('reads half of a surrogate pair as what PostgreSQL holds for it, and not what only looks like one', () => {
    const asking = (said: string): string => hex({ ...ASKED, messages: [{ role: 'user', text: said }] })
    expect(asking('a \ud83d b')).toBe(asking('a \ufffd b'))
    expect(asking(String.raw`a \ud83d b`)).not.toBe(asking(String.raw`a \ufffd b`))
    expect(asking('\ud83d and \u{1F600}')).toBe(asking('\ufffd and \u{1F600}'))
  })
})
