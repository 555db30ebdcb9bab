/** A piece of a source that can be quoted. `source.slice(start, end) === text`; offsets are UTF-16 code units. */
export interface Sentence {
  readonly text: string
  readonly start: number
  readonly end: number
}

export const MAX_SENTENCES = 5_000
export const MAX_SENTENCE_CHARACTERS = 400
export const MAX_SOURCE_CHARACTERS = 1_000_000

/** Lines at least this long were wrapped by an editor; a shorter one ended where its author meant it to. */
const WRAPPED_LINE_CHARACTERS = 50

const LINE_BREAK = /\r\n|[\n\r\u0085\u2028\u2029]/g
const LINE_BREAK_UNIT = /[\n\r\u0085\u2028\u2029]/g
const FENCE = /^[ \t]*(?:```|~~~)/
const MARKER = /^[ \t]*(?:>[ \t]?)*[ \t]*(?:#{1,6}[ \t]+|[-*+•][ \t]+(?:\[[ xX]\][ \t]+)?|\d{1,3}[.)][ \t]+)?/
const HEADING = /^[ \t]*#{1,6}[ \t]/
const TABLE_ROW = /^[ \t]*\|/
const STARTS_IN_LOWER_CASE = /^\p{Ll}/u
const WORD = /[\p{L}\p{N}]/u
/** ICU ends a sentence after these; words that often do end one (`no.`, `etc.`, `inc.`) are left out on purpose. */
const ABBREVIATION = /(?:^|[\s(])(?:e\.g|i\.e|cf|vs|figs?|approx|dr|mr|mrs|ms|prof)\.\s*$/iu
const LONGEST_ABBREVIATION_CHARACTERS = 12

const segmenter = new Intl.Segmenter('en', { granularity: 'sentence' })

interface Range {
  readonly start: number
  readonly end: number
}

/**
 * Splits plain text or Markdown into sentences, in order. Headings, list items, table rows and lines of code each stand
 * alone, their markers left out; wrapped lines are joined. Sentences over `MAX_SENTENCE_CHARACTERS` are cut at a word;
 * what lies past `limit` sentences or `MAX_SOURCE_CHARACTERS` is not read.
 */
export function splitSentences(source: string, limit: number = MAX_SENTENCES): Sentence[] {
  const sentences: Sentence[] = []
  for (const block of blocksOf(source.slice(0, MAX_SOURCE_CHARACTERS))) {
    for (const { start, end } of sentencesOf(source, block)) {
      if (sentences.length >= limit) return sentences
      sentences.push({ text: source.slice(start, end), start, end })
    }
  }
  return sentences
}

/** Paragraphs, list items, headings and lines of code: nothing quoted ever spans two of them. */
function* blocksOf(source: string): Generator<Range> {
  let open: Range | null = null
  let inCode = false
  let previousLineCharacters = 0
  for (const line of linesOf(source)) {
    const text = source.slice(line.start, line.end)
    const isFence = FENCE.test(text)
    if (isFence) inCode = !inCode
    const isBlank = isFence || !WORD.test(text)
    const marker = isBlank || inCode ? '' : (MARKER.exec(text)?.[0] ?? '')
    const standsAlone = isBlank || inCode || HEADING.test(text) || TABLE_ROW.test(text)
    const isWrapped: boolean =
      previousLineCharacters >= WRAPPED_LINE_CHARACTERS || STARTS_IN_LOWER_CASE.test(text.trimStart())
    previousLineCharacters = text.length

    if (open && isWrapped && !standsAlone && marker.trim() === '') {
      open = { start: open.start, end: line.end }
      continue
    }
    if (open) yield open
    open = isBlank ? null : { start: line.start + marker.length, end: line.end }
    if (open && standsAlone) {
      yield open
      open = null
    }
  }
  if (open) yield open
}

function* linesOf(source: string): Generator<Range> {
  let start = 0
  for (const lineBreak of source.matchAll(LINE_BREAK)) {
    yield { start, end: lineBreak.index }
    start = lineBreak.index + lineBreak[0].length
  }
  yield { start, end: source.length }
}

function* sentencesOf(source: string, block: Range): Generator<Range> {
  // ICU ends a sentence at every line break, so wrapped lines are shown to it as one; the length stays the same.
  const text = source.slice(block.start, block.end).replace(LINE_BREAK_UNIT, ' ')
  let start = 0
  for (const { segment, index } of segmenter.segment(text)) {
    const end = index + segment.length
    if (end < text.length && ABBREVIATION.test(segment.slice(-LONGEST_ABBREVIATION_CHARACTERS))) continue
    for (const piece of piecesOf(text, { start, end })) {
      yield { start: block.start + piece.start, end: block.start + piece.end }
    }
    start = end
  }
}

/** The range without the white space around it, cut to quotable lengths; nothing when it holds no word. */
function* piecesOf(text: string, range: Range): Generator<Range> {
  let { start, end } = trimmed(text, range)
  while (end - start > MAX_SENTENCE_CHARACTERS) {
    const cut = cutBefore(text, { start, end: start + MAX_SENTENCE_CHARACTERS })
    const piece = trimmed(text, { start, end: cut })
    if (WORD.test(text.slice(piece.start, piece.end))) yield piece
    ;({ start, end } = trimmed(text, { start: cut, end }))
  }
  if (WORD.test(text.slice(start, end))) yield { start, end }
}

/** Where to cut within the second half of `range`: at white space, else between two code points. */
function cutBefore(text: string, { start, end }: Range): number {
  for (let index = end; index > (start + end) / 2; index -= 1) {
    if (/\s/u.test(text.charAt(index))) return index
  }
  const splitsSurrogatePair = /[\uD800-\uDBFF][\uDC00-\uDFFF]/.test(text.slice(end - 1, end + 1))
  return splitsSurrogatePair ? end - 1 : end
}

function trimmed(text: string, { start, end }: Range): Range {
  const slice = text.slice(start, end)
  const leading = slice.length - slice.trimStart().length
  return { start: start + leading, end: start + Math.max(leading, slice.trimEnd().length) }
}
