import { describe, expect, it } from '@jest/globals'
import { MAX_SENTENCE_CHARACTERS, MAX_SENTENCES, MAX_SOURCE_CHARACTERS, splitSentences } from './sentences.js'

const textsOf = (source: string) => splitSentences(source).map(({ text }) => text)

/** A small deterministic generator (mulberry32), so that a failing source can be made again from its seed. */
function randomSource(seed: number): string {
  const pieces = [
    'The plan costs 5 euros',
    'é',
    '👩‍👩‍👧',
    '\uD83D',
    '\uDE00',
    ' ',
    '\n',
    '\r\n',
    '\r',
    '\u2028',
    '\t',
    '. ',
    '? ',
    '!',
    '…',
    '- ',
    '# ',
    '> ',
    '1. ',
    '```\n',
    '| a | b |',
    '中文句子。',
    'e.g. ',
    'Dr. ',
    'no',
    'x'.repeat(450),
    '\0',
    '\uFEFF',
  ]
  let state = seed
  const random = () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  return Array.from({ length: 40 }, () => pieces[Math.floor(random() * pieces.length)]).join('')
}

describe('splitSentences', () => {
  it('splits prose at the ends of its sentences', () => {
    expect(textsOf('Version 1.2 is out! Is it good?  Yes (mostly). "Quoted." Done')).toEqual([
      'Version 1.2 is out!',
      'Is it good?',
      'Yes (mostly).',
      '"Quoted."',
      'Done',
    ])
  })

  it('does not end a sentence at an abbreviation', () => {
    expect(textsOf('Dr. Smith reads, e.g. Homer. See Fig. 3.')).toEqual(['Dr. Smith reads, e.g. Homer.', 'See Fig. 3.'])
  })

  it('keeps headings, list items, quotes, table rows and code apart, without their markers', () => {
    const source =
      '## Rules\n- [ ] First\n* second\n  continues here\n12) Third\n> Quoted\n\n| a | b |\n|---|---|\n\n```js\n# code\nlet x\n```\nEnd'
    expect(textsOf(source)).toEqual([
      'Rules',
      'First',
      'second\n  continues here',
      'Third',
      'Quoted',
      '| a | b |',
      '# code',
      'let x',
      'End',
    ])
  })

  it.each(['\n', '\r\n', '\r'])('joins wrapped lines and keeps short ones apart with line break %j', (lineBreak) => {
    const wrapped = `Refunds for annual plans are paid back in proportion${lineBreak}After the first month.`
    expect(textsOf(`Owner: Ada${lineBreak}Team: Billing`)).toEqual(['Owner: Ada', 'Team: Billing'])
    expect(textsOf(wrapped)).toEqual([wrapped])
  })

  it('never joins across an empty line', () => {
    expect(textsOf('A paragraph that is long enough to have been wrapped by an editor\n\nand another')).toHaveLength(2)
  })

  it('yields nothing for a source without a word', () => {
    for (const source of ['', ' \n\t\r\n', '---\n***\n...', '🎉🎉', '```\n```', '\uD83D']) {
      expect(splitSentences(source)).toEqual([])
    }
  })

  it('cuts an over-long sentence between words', () => {
    const sentences = splitSentences('lorem ipsum '.repeat(100))
    expect(sentences.length).toBeGreaterThan(2)
    for (const { text } of sentences) {
      expect(text.length).toBeLessThanOrEqual(MAX_SENTENCE_CHARACTERS)
      expect(text).toMatch(/^(?:lorem|ipsum)\b.*\b(?:lorem|ipsum)$/)
    }
  })

  it('cuts an over-long word between code points', () => {
    const source = `a${'𝒳'.repeat(MAX_SENTENCE_CHARACTERS)}`
    const sentences = splitSentences(source)
    expect(sentences.map(({ text }) => text).join('')).toBe(source)
    expect(sentences.every(({ text }) => text.isWellFormed())).toBe(true)
  })

  it('gives offsets that slice back to the text, in order and without overlap, for any source', () => {
    for (let seed = 0; seed < 500; seed += 1) {
      const source = randomSource(seed)
      let previousEnd = 0
      for (const { text, start, end } of splitSentences(source)) {
        expect(source.slice(start, end)).toBe(text)
        expect(text).toBe(text.trim())
        expect(text).toMatch(/[\p{L}\p{N}]/u)
        expect(text.length).toBeLessThanOrEqual(MAX_SENTENCE_CHARACTERS)
        expect(start).toBeGreaterThanOrEqual(previousEnd)
        previousEnd = end
      }
    }
  })

  it('reads every word of an ordinary source', () => {
    const source = 'One two. Three four?\nFive\n- Six seven\n'.repeat(20)
    expect(textsOf(source).join(' ').match(/\w+/g)).toEqual(source.match(/\w+/g))
  })

  it('stops at the limit of sentences and of characters', () => {
    expect(splitSentences('A word. '.repeat(MAX_SENTENCES + 10))).toHaveLength(MAX_SENTENCES)
    expect(splitSentences('A word. '.repeat(10), 3)).toHaveLength(3)
    expect(splitSentences(`${'\n'.repeat(MAX_SOURCE_CHARACTERS)}Too late.`)).toEqual([])
  })

  it('splits a source of 100 000 characters without a single break', () => {
    expect(splitSentences('x'.repeat(100_000))).toHaveLength(100_000 / MAX_SENTENCE_CHARACTERS)
  })
})
