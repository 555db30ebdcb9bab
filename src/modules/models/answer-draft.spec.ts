import type { LanguageModelV4StreamPart } from '@ai-sdk/provider'
import { describe, expect, it } from '@jest/globals'
import {
  AnswerDraft,
  INVALID_TOOL_NAME,
  MAX_ARGUMENTS_CHARACTERS,
  MAX_ARGUMENTS_DEPTH,
  MAX_RAW_ARGUMENTS_CHARACTERS,
  MAX_TOOL_CALLS,
} from './answer-draft.js'

const NO_USAGE = {
  inputTokens: { total: undefined, noCache: undefined, cacheRead: undefined, cacheWrite: undefined },
  outputTokens: { total: undefined, text: undefined, reasoning: undefined },
}
const text = (delta: string): LanguageModelV4StreamPart => ({ type: 'text-delta', id: '0', delta })
const reasoning = (delta: string): LanguageModelV4StreamPart => ({ type: 'reasoning-delta', id: '0', delta })
const toolInput = (delta: string): LanguageModelV4StreamPart => ({ type: 'tool-input-delta', id: '0', delta })
const toolCall = (input: string, toolName = 'b'): LanguageModelV4StreamPart => ({
  type: 'tool-call',
  toolCallId: 'a',
  toolName,
  input,
})
const nested = (depth: number) => `{"x":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`
const sized = (characters: number) => JSON.stringify({ x: 'x'.repeat(characters - '{"x":""}'.length) })

function argumentsOf(input: string): unknown {
  const draft = new AnswerDraft()
  draft.add(toolCall(input))
  return draft.toolCalls[0]?.arguments
}
type Unified = Extract<LanguageModelV4StreamPart, { type: 'finish' }>['finishReason']['unified']

function finished(unified: Unified, raw: string | undefined): AnswerDraft {
  const draft = new AnswerDraft()
  draft.add({ type: 'finish', finishReason: { unified, raw }, usage: NO_USAGE })
  return draft
}

describe('AnswerDraft', () => {
  it('counts text, reasoning and tool input against one limit', () => {
    const draft = new AnswerDraft(9)
    draft.add(text('123'))
    draft.add(reasoning('456'))
    draft.add(toolInput('789'))
    for (const part of [text('x'), reasoning('x'), toolInput('x')]) {
      expect(() => draft.add(part)).toThrow(expect.objectContaining({ reason: 'excessive' }))
    }
  })

  it('takes as many tool calls as the limit says', () => {
    const draft = new AnswerDraft()
    for (let count = 0; count < MAX_TOOL_CALLS; count += 1) draft.add(toolCall('{}'))
    expect(() => draft.add(toolCall('{}'))).toThrow(expect.objectContaining({ reason: 'excessive' }))
  })

  it.each([
    ['{"a":1}', { a: 1 }],
    ['', {}],
    [' ', {}],
    ['[1]', '[1]'],
    ['null', 'null'],
    ['{"a":', '{"a":'],
  ])('reads the tool input %j as %j', (input, expected) => {
    expect(argumentsOf(input)).toEqual(expected)
  })

  it('leaves tool input as the text that it is where it is nested too deep for those who work with it', () => {
    expect(argumentsOf(nested(MAX_ARGUMENTS_DEPTH))).toBeInstanceOf(Object)
    expect(argumentsOf(nested(MAX_ARGUMENTS_DEPTH + 1))).toBe(nested(MAX_ARGUMENTS_DEPTH + 1))
    expect(argumentsOf(nested(5000))).toBe(nested(5000).slice(0, MAX_RAW_ARGUMENTS_CHARACTERS))
    expect(argumentsOf(nested(900_000))).toBe(nested(900_000).slice(0, MAX_RAW_ARGUMENTS_CHARACTERS))
  })

  it('keeps the beginning of tool input that is longer than any tool takes', () => {
    expect(argumentsOf(sized(MAX_ARGUMENTS_CHARACTERS))).toBeInstanceOf(Object)
    const long = sized(MAX_ARGUMENTS_CHARACTERS + 1)
    expect(argumentsOf(long)).toBe(long.slice(0, MAX_RAW_ARGUMENTS_CHARACTERS))
  })

  it.each([
    ['search', 'search'],
    ['x'.repeat(64), 'x'.repeat(64)],
    ['x'.repeat(65), INVALID_TOOL_NAME],
    ['x'.repeat(1_000_000), INVALID_TOOL_NAME],
    ['', INVALID_TOOL_NAME],
    ['functions.search', INVALID_TOOL_NAME],
    ['a\0b', INVALID_TOOL_NAME],
  ])('names a tool that the model calls as providers take it back', (name, expected) => {
    const draft = new AnswerDraft()
    draft.add(toolCall('{}', name))
    expect([draft.toolCalls[0]?.name, draft.mayCost]).toEqual([expected, true])
  })

  it('takes an answer that has begun for one that is billed, whatever becomes of it', () => {
    const draft = new AnswerDraft()
    draft.add({ type: 'stream-start', warnings: [] })
    expect(draft.mayCost).toBe(false)
    draft.add({ type: 'response-metadata', id: 'answer-1' })
    expect([draft.mayCost, draft.hasOutput]).toEqual([true, false])
  })

  it('takes an end that the provider gave no reason for, or none at all, for a break', () => {
    for (const draft of [
      new AnswerDraft(),
      finished('other', undefined),
      finished('error', 'x'),
      finished('interrupted', 'x'),
    ]) {
      expect(() => draft.checkFinished()).toThrow(expect.objectContaining({ reason: 'broken' }))
    }
    for (const draft of [finished('stop', 'stop'), finished('other', 'pause'), finished('length', 'length')]) {
      expect(() => draft.checkFinished()).not.toThrow()
    }
  })

  it("repeats an error event's words, and not those of a parser, which quote the answer", () => {
    const add = (error: unknown) => () => new AnswerDraft().add({ type: 'error', error })
    expect(add({ type: 'overloaded_error', message: 'Overloaded' })).toThrow('broke off its answer: Overloaded')
    expect(add(new SyntaxError('Text: my secret'))).toThrow(/^the provider broke off its answer\.$/)
  })
})
