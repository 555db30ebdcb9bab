import { Injectable } from '@nestjs/common'

type CountTokens = (text: string) => number

/** A run without a break is cut every so many characters: the time that the encoder needs grows with its square. */
const LONG_RUN = /\S{256}(?=\S)|\s{256}(?=\s)/gu
/** Stands in no text: PostgreSQL cannot hold it, and requests that bring it are refused. */
const CUT = '\0'

/**
 * Counts tokens as OpenAI's current models do (o200k_base), a little too many in runs of over 256 characters without a
 * break. The tables are loaded on first use: idle memory stays free of them. It runs on the event loop: some 50 ms for
 * the longest request.
 */
@Injectable()
export class TokenCounter {
  private encoder: Promise<CountTokens> | undefined

  async count(text: string): Promise<number> {
    this.encoder ??= import('gpt-tokenizer/encoding/o200k_base').then(
      // What looks like a control token in somebody's text is text.
      ({ countTokens }) =>
        (part) =>
          countTokens(part, { disallowedSpecial: new Set() }),
    )
    const countTokens = await this.encoder
    const parts = text.replaceAll(LONG_RUN, (run) => run + CUT).split(CUT)
    return parts.reduce((sum, part) => sum + countTokens(part), 0)
  }
}
