import { Injectable } from '@nestjs/common'

type CountTokens = (text: string) => number

/** Counts tokens as OpenAI's current models do (o200k_base). The tables are loaded on first use: idle memory stays free of them. */
@Injectable()
export class TokenCounter {
  private encoder: Promise<CountTokens> | undefined

  async count(text: string): Promise<number> {
    this.encoder ??= import('gpt-tokenizer/encoding/o200k_base').then(({ countTokens }) => countTokens)
    return (await this.encoder)(text)
  }
}
