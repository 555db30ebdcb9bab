import { countTokens } from 'gpt-tokenizer/encoding/o200k_base'

// Runs in a thread of its own. Imports nothing of ours and nothing that needs compiling, so that Node can run it from
// `src` as well, where the tests are: Jest's transforms do not reach into threads.

/** A run without a break is cut every so many characters: the time that the encoder needs grows with its square. */
const LONG_RUN = /\S{256}(?=\S)|\s{256}(?=\s)/gu
/** Stands in no text: PostgreSQL cannot hold it, and requests that bring it are refused. */
const CUT = '\0'
/** What looks like a control token in somebody's text is text. */
const OPTIONS = { disallowedSpecial: new Set<string>() }

/** Tokens of each text. */
export default function countAll(texts: readonly string[]): number[] {
  return texts.map((text) => {
    const parts = text.replaceAll(LONG_RUN, (run) => run + CUT).split(CUT)
    return parts.reduce((sum, part) => sum + countTokens(part, OPTIONS), 0)
  })
}
