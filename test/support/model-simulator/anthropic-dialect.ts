import { type Answer, argumentsText, tokensOf } from './behaviour.ts'
import type { Dialect, Frame } from './dialect.ts'
import type { SimulatedRequest } from './request.ts'
import type { Usage } from './usage.ts'

/** Anthropic's messages: https://docs.anthropic.com/en/api/messages and /en/docs/build-with-claude/streaming */
export const anthropicDialect: Dialect = {
  complete(request, answer) {
    return {
      ...messageOf(request),
      content: blocksOf(answer).map(({ whole }) => whole),
      stop_reason: stopReasonOf(answer),
      usage: { ...inputUsageOf(answer.usage), output_tokens: answer.usage.completionTokens },
    }
  },

  stream(request, answer) {
    const usage = anthropicDialect.reportable(answer.usage)
    const started = { ...messageOf(request), usage: { ...inputUsageOf(usage), output_tokens: 0 } }
    return [
      frame('message_start', { message: started }, { reports: { ...usage, completionTokens: 0 } }),
      frame('ping', {}),
      ...blocksOf(answer).flatMap(({ opening, deltas }, index) =>
        [
          frame('content_block_start', { index, content_block: opening }),
          deltas.map((delta) => frame('content_block_delta', { index, delta }, { isToken: true })),
          frame('content_block_stop', { index }),
        ].flat(),
      ),
      frame(
        'message_delta',
        {
          delta: { stop_reason: stopReasonOf(answer), stop_sequence: null },
          usage: { output_tokens: usage.completionTokens },
        },
        { reports: { completionTokens: usage.completionTokens } },
      ),
      frame('message_stop', {}),
    ]
  },

  reportable(usage) {
    return { ...usage, reasoningTokens: 0 }
  },

  refusalOf: () => null,

  failure(status) {
    const types: Record<number, string> = {
      401: 'authentication_error',
      429: 'rate_limit_error',
      529: 'overloaded_error',
    }
    const type = types[status] ?? (status < 500 ? 'invalid_request_error' : 'api_error')
    return { type: 'error', error: { type, message: `Simulated error ${status}` } }
  },
}

interface Block {
  readonly whole: object
  readonly opening: object
  readonly deltas: readonly object[]
}

function blocksOf({ text, toolCalls }: Answer): Block[] {
  const textBlock: Block = {
    whole: { type: 'text', text },
    opening: { type: 'text', text: '' },
    deltas: tokensOf(text).map((piece) => ({ type: 'text_delta', text: piece })),
  }
  const toolBlocks = toolCalls.map((call): Block => {
    const opening = { type: 'tool_use', id: call.id, name: call.name, input: {} }
    const deltas = tokensOf(argumentsText(call)).map((piece) => ({ type: 'input_json_delta', partial_json: piece }))
    return { whole: { ...opening, input: call.arguments }, opening, deltas }
  })
  return text === '' && toolCalls.length > 0 ? toolBlocks : [textBlock, ...toolBlocks]
}

function messageOf(request: SimulatedRequest) {
  return {
    id: `msg_${request.id}`,
    type: 'message',
    role: 'assistant',
    model: request.model,
    content: [],
    stop_reason: null,
    stop_sequence: null,
  }
}

/** `input_tokens` are those neither read from the cache nor written to it: the three add up to the prompt. */
function inputUsageOf(usage: Usage) {
  return {
    input_tokens: usage.promptTokens - usage.cachedTokens - usage.cacheWriteTokens,
    cache_creation_input_tokens: usage.cacheWriteTokens,
    cache_read_input_tokens: usage.cachedTokens,
  }
}

function stopReasonOf({ finishReason, toolCalls }: Answer): string {
  return finishReason ?? (toolCalls.length > 0 ? 'tool_use' : 'end_turn')
}

function frame(type: string, data: object, options: Partial<Omit<Frame, 'text'>> = {}): Frame {
  return { text: `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`, isToken: false, ...options }
}
