import type { LanguageModelV4CallOptions, LanguageModelV4Message, LanguageModelV4Prompt } from '@ai-sdk/provider'
import type { ModelCall, ModelMessage } from './model-call.js'

/** How one try of a call differs from the others. */
export interface TryTerms {
  /** What earlier tries have said, for this one to go on from; empty for a fresh start. */
  readonly said: string
  readonly maxOutputTokens: number | undefined
  /** 1-based, over all models. */
  readonly tryNumber: number
}

const CONTINUE =
  'Your answer was interrupted after the last character above. Continue it exactly there, even in the middle of a word: ' +
  'repeat nothing of it, do not mention the interruption, and add no introduction.'

/** The request of one try, in the terms of the SDK's providers. */
export function toCallOptions(
  call: ModelCall,
  { said, maxOutputTokens, tryNumber }: TryTerms,
): LanguageModelV4CallOptions {
  const { tools, outputSchema, callId } = call
  return {
    prompt: toPrompt(call, said),
    headers: { 'x-client-request-id': `${callId}-${tryNumber}` },
    // Events that mean nothing to us still say that the stream lives, and some tell the usage early.
    includeRawChunks: true,
    ...(maxOutputTokens !== undefined && { maxOutputTokens }),
    ...(tools.length > 0 && {
      tools: tools.map(({ name, description, inputSchema }) => ({
        type: 'function' as const,
        name,
        description,
        inputSchema: { ...inputSchema },
      })),
    }),
    ...(outputSchema && { responseFormat: { type: 'json' as const, schema: { ...outputSchema } } }),
  }
}

function toPrompt({ instructions, messages, material }: ModelCall, said: string): LanguageModelV4Prompt {
  const asked = messages.map(toMessage).filter(({ content }) => content.length > 0)
  const question = asked.findLast(({ role }) => role === 'user')
  if (question) question.providerOptions = { temponest: { ...material } }
  const continuation: LanguageModelV4Message[] = [
    { role: 'assistant', content: [{ type: 'text', text: said }] },
    { role: 'user', content: [{ type: 'text', text: CONTINUE }] },
  ]
  return [{ role: 'system', content: instructions }, ...asked, ...(said === '' ? [] : continuation)]
}

function toMessage(message: ModelMessage): LanguageModelV4Message {
  if (message.role === 'user') return { role: 'user', content: [{ type: 'text', text: message.text }] }
  if (message.role === 'tool') {
    const { callId, name, text, isError } = message
    const output = { type: isError ? ('error-text' as const) : ('text' as const), value: text }
    return { role: 'tool', content: [{ type: 'tool-result', toolCallId: callId, toolName: name, output }] }
  }
  const text = message.text === '' ? [] : [{ type: 'text' as const, text: message.text }]
  const calls = message.toolCalls.map(({ id, name, arguments: input }) => ({
    type: 'tool-call' as const,
    toolCallId: id,
    toolName: name,
    // Providers refuse a whole conversation over one input that is no object.
    input: typeof input === 'object' && input !== null ? input : { unparsed: input },
  }))
  return { role: 'assistant', content: [...text, ...calls] }
}
