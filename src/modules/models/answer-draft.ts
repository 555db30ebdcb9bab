import type { LanguageModelV4Source, LanguageModelV4StreamPart, LanguageModelV4ToolCall } from '@ai-sdk/provider'
import { isDeeperThan } from '#kernel/json-depth.js'
import type { Citation, ModelToolCall, TokenUsage } from './model-call.js'
import { ModelFailure } from './model-failure.js'
import { findCitation, findInputUsage, type InputUsage, toTokenUsage } from './model-result.js'

/** Of text, reasoning and tool input together, in UTF-16 code units. */
export const MAX_ANSWER_CHARACTERS = 2_000_000
export const MAX_TOOL_CALLS = 64
/** Of one call, in UTF-16 code units. Journals, approvals and the check of the arguments have to bear each of them. */
export const MAX_ARGUMENTS_CHARACTERS = 256 * 1024
/** Deeper arguments would run whoever writes, hashes or checks them out of stack. */
export const MAX_ARGUMENTS_DEPTH = 100
/** Of arguments that nothing can be called with: enough to see what was wrong with them. */
export const MAX_RAW_ARGUMENTS_CHARACTERS = 10_000
/** What providers take: they refuse a whole conversation over one other name in it. */
const TOOL_NAME_PATTERN = /^[a-zA-Z0-9_-]{1,64}$/
/** Stands for every other name: there is no such tool, and the model is told so. */
export const INVALID_TOOL_NAME = 'invalid_tool_name'

/** What one try has given so far, put together from the parts of its stream. */
export class AnswerDraft {
  text = ''
  reasoning = ''
  /** Of all tool calls, finished or not. */
  toolInput = ''
  readonly toolCalls: ModelToolCall[] = []
  readonly citations: Citation[] = []
  hasBegunToolCall = false
  private hasBegun = false
  finishReason: string | null = null
  /** What the provider reports at the end, if it came to that. */
  reportedUsage: TokenUsage = toTokenUsage(undefined)
  /** What the provider has told already of the input. */
  inputUsage: InputUsage | null = null

  /** @param maxCharacters of text, reasoning and tool input together, in UTF-16 code units */
  constructor(private readonly maxCharacters = MAX_ANSWER_CHARACTERS) {}

  /** Whether anything of an answer has come. */
  get hasOutput(): boolean {
    return this.text !== '' || this.reasoning !== '' || this.hasBegunToolCall
  }

  /** Whether the provider is known to have begun its work. */
  get mayCost(): boolean {
    return this.hasBegun || this.hasOutput || this.inputUsage !== null || this.reportedUsage.isReported
  }

  /**
   * Takes the next part.
   * @returns the text that it adds to the answer
   * @throws ModelFailure when the part is an error, or more than an answer may hold
   */
  add(part: LanguageModelV4StreamPart): string {
    const { type } = part
    // Told of every answer first: a call that the library chokes on after it was paid for all the same.
    if (type === 'response-metadata') this.hasBegun = true
    else if (type === 'text-delta') this.text += part.delta
    else if (type === 'reasoning-delta') this.reasoning += part.delta
    else if (type === 'tool-input-start') this.hasBegunToolCall = true
    else if (type === 'tool-input-delta') this.toolInput += part.delta
    else if (type === 'tool-call') this.addToolCall(part)
    else if (type === 'source') this.cite(part)
    else if (type === 'raw') this.inputUsage ??= findInputUsage(part.rawValue)
    else if (type === 'finish') this.finish(part)
    else if (type === 'error') throw brokenOff(part.error)
    this.checkSize()
    return type === 'text-delta' ? part.delta : ''
  }

  /** @throws ModelFailure when the stream has ended before the answer had */
  checkFinished(): void {
    if (this.finishReason === null) throw new ModelFailure('broken', 'the provider broke off its answer.')
  }

  private cite(source: LanguageModelV4Source): void {
    const citation = findCitation(source)
    if (citation) this.citations.push(citation)
  }

  private addToolCall({ toolCallId, toolName, input }: LanguageModelV4ToolCall): void {
    this.hasBegunToolCall = true
    const name = TOOL_NAME_PATTERN.test(toolName) ? toolName : INVALID_TOOL_NAME
    this.toolCalls.push({ id: toolCallId, name, arguments: parseArguments(input) })
    if (this.toolCalls.length > MAX_TOOL_CALLS) {
      throw new ModelFailure('excessive', `it called more than ${MAX_TOOL_CALLS} tools at once.`)
    }
  }

  private finish({ finishReason, usage }: Extract<LanguageModelV4StreamPart, { type: 'finish' }>): void {
    this.reportedUsage = toTokenUsage(usage)
    const { unified, raw } = finishReason
    // An end without a word from the provider is none: a proxy closed the stream in good order, say.
    const isBroken = unified === 'error' || unified === 'interrupted' || (unified === 'other' && raw === undefined)
    if (!isBroken) this.finishReason = unified
  }

  private checkSize(): void {
    if (this.text.length + this.reasoning.length + this.toolInput.length > this.maxCharacters) {
      throw new ModelFailure('excessive', `its answer is longer than ${MAX_ANSWER_CHARACTERS} characters.`)
    }
  }
}

/** The object, or the beginning of the text where it is none that a tool could be called with. */
function parseArguments(input: string): unknown {
  // Models leave out the object where there is nothing to say in it.
  if (input.trim() === '') return {}
  return parseObject(input) ?? input.slice(0, MAX_RAW_ARGUMENTS_CHARACTERS)
}

function parseObject(input: string): object | undefined {
  if (input.length > MAX_ARGUMENTS_CHARACTERS) return undefined
  try {
    const value: unknown = JSON.parse(input)
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    return isObject && !isDeeperThan(MAX_ARGUMENTS_DEPTH, value) ? value : undefined
  } catch {
    return undefined
  }
}

function brokenOff(error: unknown): ModelFailure {
  return new ModelFailure('broken', `the provider broke off its answer${wordsOf(error)}`, { cause: error })
}

/** An error event's own words. The SDK's about what did not parse would quote the answer. */
function wordsOf(error: unknown): string {
  if (typeof error !== 'object' || error === null || error instanceof Error) return '.'
  return 'message' in error && typeof error.message === 'string' ? `: ${error.message}` : '.'
}
