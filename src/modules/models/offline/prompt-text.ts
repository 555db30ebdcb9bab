import type { LanguageModelV4Message, LanguageModelV4Prompt } from '@ai-sdk/provider'

/** All the text that a prompt holds, in order: what its input tokens are counted over. */
export function promptText(prompt: LanguageModelV4Prompt): string {
  return prompt.map(messageText).join('\n')
}

/** The text of one message, its tool calls and results included; files have none. */
export function messageText({ content }: LanguageModelV4Message): string {
  return typeof content === 'string' ? content : content.map(partText).join('\n')
}

function partText(part: Exclude<LanguageModelV4Message['content'], string>[number]): string {
  if (part.type === 'text' || part.type === 'reasoning') return part.text
  if (part.type === 'tool-call') return `${part.toolName} ${asText(part.input)}`
  if (part.type === 'tool-result' && 'value' in part.output) return asText(part.output.value)
  return ''
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
}
