import { describe, expect, it } from '@jest/globals'
import { MAX_KEPT_ANSWER_BYTES, toKeepableJson } from './keepable-answer.js'
import type { ModelAnswer } from '../model-call.js'

const ANSWER: ModelAnswer = {
  text: 'Noon.',
  toolCalls: [],
  citations: [],
  finishReason: 'stop',
  model: 'openai/gpt-4o-mini',
}
const CALL = { id: 'call_a', name: 'clock', arguments: { city: 'Rome' } }
const frame = JSON.stringify({ ...ANSWER, text: '' }).length

describe('an answer that may be kept', () => {
  it.each<[string, Partial<ModelAnswer>]>([
    ['a whole text', {}],
    ['tool calls', { text: '', toolCalls: [CALL], finishReason: 'tool-calls' }],
    ['a text with tool calls', { toolCalls: [CALL], finishReason: 'tool-calls' }],
    ['citations', { citations: [{ documentId: null, chunkId: null, title: 'Context', start: 0, end: 4 }] }],
    ['what only looks like a null character', { text: String.raw`a \u0000 \\u0000 \ud83d \\\ud83d` }],
    ['characters beyond the basic plane', { text: '\u{1F600}' }],
    ['the longest', { text: 'x'.repeat(MAX_KEPT_ANSWER_BYTES - frame) }],
  ])('is %s, to the letter', (_what, overrides) => {
    const answer = { ...ANSWER, ...overrides }
    expect(JSON.parse(toKeepableJson(answer) ?? 'null')).toEqual(answer)
  })

  it('carries nothing that an answer does not have', () => {
    const more = { ...ANSWER, secret: 'of a provider' }
    expect(JSON.parse(toKeepableJson(more) ?? 'null')).toEqual(ANSWER)
  })

  it.each<[string, Partial<ModelAnswer>]>([
    ['cut at the limit of tokens', { finishReason: 'length' }],
    ['filtered', { finishReason: 'content-filter' }],
    ['ended by an error', { finishReason: 'error' }],
    ['ended for a reason that nobody knows', { finishReason: 'other' }],
    ['empty', { text: '' }],
    ['blank', { text: ' \n' }],
    ['empty, though it said that it called a tool', { text: '', finishReason: 'tool-calls' }],
    ['calling a tool with broken JSON', { toolCalls: [CALL, { ...CALL, arguments: '{"city":' }] }],
    ['calling a tool with a list', { toolCalls: [{ ...CALL, arguments: ['Rome'] }] }],
    ['one byte too long', { text: 'x'.repeat(MAX_KEPT_ANSWER_BYTES - frame + 1) }],
    ['too long in bytes, if not in characters', { text: 'é'.repeat(MAX_KEPT_ANSWER_BYTES / 2) }],
    ['holding a null character', { text: 'a \0 b' }],
    ['holding a null character behind a backslash', { text: '\\\0' }],
    ['holding half of a surrogate pair', { text: 'a \ud83d b' }],
    ['holding a null character in a key', { toolCalls: [{ ...CALL, arguments: { 'a\0': 1 } }] }],
  ])('is not one that is %s', (_what, overrides) => {
    expect(toKeepableJson({ ...ANSWER, ...overrides })).toBeNull()
  })
})
