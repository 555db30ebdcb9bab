import { Injectable } from '@nestjs/common'
import { LRU } from 'tiny-lru'
import { TokenCounter } from '#modules/models'

/** A token is a byte at least, whoever counts. For so few of them the difference is not worth the way to the counter's thread. */
const MAX_BYTES_TAKEN_FOR_TOKENS = 512
/** An agent's are the same in all of its runs; some 100 KB each at worst. */
const MAX_INSTRUCTIONS_IN_PROCESS = 128

/** How many tokens a new run's prompt has at most, without counting again what is the same for all runs of an agent. */
@Injectable()
export class PromptBounds {
  private readonly instructions = new LRU<number>(MAX_INSTRUCTIONS_IN_PROCESS)

  constructor(private readonly tokens: TokenCounter) {}

  /** @param isExact all of it is counted, if it can be */
  async of({
    instructions,
    texts,
    isExact,
  }: {
    instructions: string
    texts: readonly string[]
    isExact: boolean
  }): Promise<number> {
    const ofText = (text: string) => (isExact ? this.tokens.bound([text]) : this.ofText(text))
    const bounds = await Promise.all([this.ofInstructions(instructions), ...texts.map(ofText)])
    return bounds.reduce((sum, bound) => sum + bound, 0)
  }

  private async ofInstructions(instructions: string): Promise<number> {
    const known = this.instructions.get(instructions)
    if (known !== undefined) return known
    const count = await this.tokens.bound([instructions])
    // As many as bytes: it may not have been counted at all.
    if (count < Buffer.byteLength(instructions)) this.instructions.set(instructions, count)
    return count
  }

  private async ofText(text: string): Promise<number> {
    const bytes = Buffer.byteLength(text)
    return bytes <= MAX_BYTES_TAKEN_FOR_TOKENS ? bytes : this.tokens.bound([text])
  }
}
