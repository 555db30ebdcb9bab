import type { SimulatedRequest } from './request.ts'
import type { Usage } from './usage.ts'

export interface ToolCall {
  readonly name: string
  /** An object, or a string to send as it is (broken JSON, say). */
  readonly arguments: object | string
  /** Generated when absent. */
  readonly id?: string
}

export interface Failure {
  readonly status: number
  /** Sent as it is when a string, else as JSON; the dialect's own error shape when absent. */
  readonly body?: object | string
  /** The `Retry-After` header: seconds, or an HTTP date. */
  readonly retryAfter?: number | string
}

/** Before the response's headers, or after that many SSE chunks (for JSON: after half of the body). */
export type CutPoint = 'before-headers' | { readonly afterChunks: number }

type FromRequest<T> = T | ((request: SimulatedRequest) => T)

/** How one request is answered. Everything absent is the ordinary thing: at once, in full, status 200. */
export interface Behaviour {
  /** Before the headers. */
  readonly latencyMs?: number
  /** Pace of an SSE answer; as fast as it can when 0. */
  readonly tokensPerSecond?: number
  readonly reply?: FromRequest<string>
  /** When there are any, they are answered with in place of `reply`. */
  readonly toolCalls?: FromRequest<readonly ToolCall[]>
  /** Text sent before the tool calls. */
  readonly preamble?: string
  /** Overrides what is counted: a token a word of the reply, a token per four characters of the request. */
  readonly usage?: FromRequest<Partial<Usage>>
  /** In the dialect's own words; `stop` / `end_turn` or that of tool calls when absent. */
  readonly finishReason?: string
  readonly failure?: Failure
  /** Destroys the connection. */
  readonly hangUp?: CutPoint
  /** Sends nothing more and keeps the connection open until the client or `stop()` ends it. */
  readonly hang?: CutPoint
  /** Status 200 with JSON (or an SSE chunk) that does not parse. */
  readonly isMalformed?: boolean
  readonly headers?: Readonly<Record<string, string>>
}

/** What a request is answered with, all functions of the request called. */
export interface Answer {
  readonly text: string
  readonly toolCalls: readonly Required<ToolCall>[]
  readonly usage: Usage
  readonly finishReason: string | null
}

const CHARACTERS_PER_TOKEN = 4
const ECHO_CHARACTERS = 200

export function answerTo(request: SimulatedRequest, behaviour: Behaviour): Answer {
  const toolCalls = (valueFor(request, behaviour.toolCalls) ?? []).map((call, index) => ({
    id: call.id ?? `call_${request.id}_${index}`,
    name: call.name,
    arguments: call.arguments,
  }))
  const reply = toolCalls.length > 0 ? (behaviour.preamble ?? '') : (behaviour.reply ?? echo)
  const text = typeof reply === 'string' ? reply : reply(request)
  const written = [text, ...toolCalls.map((call) => argumentsText(call))].join(' ')
  const usage: Usage = {
    promptTokens: Math.ceil(request.text.length / CHARACTERS_PER_TOKEN),
    cachedTokens: 0,
    cacheWriteTokens: 0,
    completionTokens: tokensOf(written).length,
    reasoningTokens: 0,
    ...valueFor(request, behaviour.usage),
  }
  return { text, toolCalls, usage, finishReason: behaviour.finishReason ?? null }
}

/** The text cut into simulated tokens, a word with the white space after it each. */
export function tokensOf(text: string): string[] {
  return text.match(/\s*\S+\s*|\s+/g) ?? []
}

export function argumentsText(call: ToolCall): string {
  return typeof call.arguments === 'string' ? call.arguments : JSON.stringify(call.arguments)
}

function echo(request: SimulatedRequest): string {
  return `Simulated answer to: ${request.lastUserText.slice(0, ECHO_CHARACTERS)}`
}

function valueFor<T extends object>(request: SimulatedRequest, value: FromRequest<T> | undefined): T | undefined {
  return typeof value === 'function' ? value(request) : value
}
