import { Injectable } from '@nestjs/common'
import { inputTokensAtWorst } from '#modules/costs'
import { type ModelMessage, TokenCounter } from '#modules/models'
import type { RunContext } from './run-context.js'
import type { RunSession } from './run-session.js'

/** What a model is about to be sent. */
export interface Prompt {
  readonly session: RunSession
  readonly context: RunContext
  readonly messages: readonly ModelMessage[]
}

/** Knows how much a model is sent with a call. */
@Injectable()
export class PromptSizes {
  constructor(private readonly tokens: TokenCounter) {}

  /** Tokens of its texts. */
  count(context: RunContext, messages: readonly ModelMessage[]): Promise<number> {
    return this.tokens.countAll(textsOf(context, messages))
  }

  /** Tokens that a provider may bill for it, however busy who counts them is. */
  async atWorst({ session, context, messages }: Prompt): Promise<number> {
    const { outputSchema } = session.run.input
    const more = outputSchema ? [JSON.stringify(outputSchema)] : []
    const tokens = await this.tokens.bound([...textsOf(context, messages), ...more])
    return inputTokensAtWorst(tokens, messages.length + 1)
  }
}

function textsOf({ prompt, tools }: RunContext, messages: readonly ModelMessage[]): string[] {
  const texts = messages.map((message) =>
    message.role === 'assistant' ? message.text + JSON.stringify(message.toolCalls) : message.text,
  )
  const described = tools.length > 0 ? [JSON.stringify(tools)] : []
  return [prompt.instructions, ...texts, ...described]
}
