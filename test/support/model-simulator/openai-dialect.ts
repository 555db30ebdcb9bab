import { type Answer, argumentsText, type Failure, tokensOf } from './behaviour.ts'
import type { Dialect, Frame } from './dialect.ts'
import { isJsonObject, type SimulatedRequest } from './request.ts'
import type { Usage } from './usage.ts'

const REASONING_MODEL = /^(gpt-5|o[134])/
const UNSUPPORTED_PARAMETER: Failure = {
  status: 400,
  body: {
    error: {
      message:
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
      type: 'invalid_request_error',
      param: 'max_tokens',
      code: 'unsupported_parameter',
    },
  },
}

/** OpenAI's chat completions: https://platform.openai.com/docs/api-reference/chat */
export const openAiDialect: Dialect = {
  complete(request, answer) {
    return {
      ...envelope(request, 'chat.completion'),
      choices: [{ index: 0, message: messageOf(answer), logprobs: null, finish_reason: finishReasonOf(answer) }],
      usage: usageOf(answer.usage),
    }
  },

  stream(request, answer) {
    const options = request.body['stream_options']
    const reportsUsage = isJsonObject(options) && options['include_usage'] === true
    const head = { ...envelope(request, 'chat.completion.chunk'), ...(reportsUsage ? { usage: null } : {}) }
    const frame = (delta: object, finishReason: string | null = null): Frame => ({
      text: sse({ ...head, choices: [{ index: 0, delta, logprobs: null, finish_reason: finishReason }] }),
      isToken: 'content' in delta || 'tool_calls' in delta,
    })
    const usageFrame: Frame = {
      text: sse({ ...head, choices: [], usage: usageOf(answer.usage) }),
      isToken: false,
      reports: openAiDialect.reportable(answer.usage),
    }
    return [
      frame({ role: 'assistant' }),
      ...tokensOf(answer.text).map((content) => frame({ content })),
      ...toolCallDeltas(answer).map((toolCall) => frame({ tool_calls: [toolCall] })),
      frame({}, finishReasonOf(answer)),
      ...(reportsUsage ? [usageFrame] : []),
      { text: 'data: [DONE]\n\n', isToken: false },
    ]
  },

  reportable(usage) {
    return { ...usage, cacheWriteTokens: 0 }
  },

  refusalOf({ model, body }) {
    return 'max_tokens' in body && REASONING_MODEL.test(model) ? UNSUPPORTED_PARAMETER : null
  },

  failure(status) {
    const type = status === 429 ? 'rate_limit_error' : status < 500 ? 'invalid_request_error' : 'server_error'
    return { error: { message: `Simulated error ${status}`, type, param: null, code: null } }
  },
}

function envelope(request: SimulatedRequest, object: string) {
  return {
    id: `chatcmpl-${request.id}`,
    object,
    created: Math.floor(request.receivedAt / 1000),
    model: request.model,
  }
}

function messageOf({ text, toolCalls }: Answer) {
  if (toolCalls.length === 0) return { role: 'assistant', content: text, refusal: null }
  const calls = toolCalls.map((call) => ({
    id: call.id,
    type: 'function',
    function: { name: call.name, arguments: argumentsText(call) },
  }))
  return { role: 'assistant', content: text || null, refusal: null, tool_calls: calls }
}

/** A call opens with its id and name and an empty argument; its arguments follow in pieces. */
function toolCallDeltas({ toolCalls }: Answer): object[] {
  return toolCalls.flatMap((call, index) => [
    { index, id: call.id, type: 'function', function: { name: call.name, arguments: '' } },
    ...tokensOf(argumentsText(call)).map((piece) => ({ index, function: { arguments: piece } })),
  ])
}

function finishReasonOf({ finishReason, toolCalls }: Answer): string {
  return finishReason ?? (toolCalls.length > 0 ? 'tool_calls' : 'stop')
}

function usageOf(usage: Usage) {
  return {
    prompt_tokens: usage.promptTokens,
    completion_tokens: usage.completionTokens,
    total_tokens: usage.promptTokens + usage.completionTokens,
    prompt_tokens_details: { cached_tokens: usage.cachedTokens, audio_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: usage.reasoningTokens, audio_tokens: 0 },
  }
}

function sse(data: object): string {
  return `data: ${JSON.stringify(data)}\n\n`
}
