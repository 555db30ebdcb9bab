import type { Material } from './material.js'
import { rankSentences } from './sentence-ranker.js'
import { MAX_SENTENCES, type Sentence, splitSentences } from './sentences.js'

/** Where a quoted sentence stands; offsets are UTF-16 code units in the document, or in the context when ids are null. */
export interface Citation {
  readonly documentId: string | null
  readonly chunkId: string | null
  readonly title: string
  readonly start: number
  readonly end: number
}

export interface ExtractiveAnswer {
  /** Markdown. */
  readonly text: string
  /** In the order of their numbers in the text; `textEnd` is where the sentence that cites it ends in `text`. */
  readonly citations: readonly { readonly citation: Citation; readonly textEnd: number }[]
}

export const MAX_QUOTES = 6
export const MAX_CHECKLIST_ITEMS = 8
const MAX_TITLE_CHARACTERS = 120

const NOTICE =
  '> **No language model is configured.** This is the built-in offline model: it quotes what it was given and does not ' +
  'reason. To add a model, set `OPENAI_API_KEY`, `ANTHROPIC_API_KEY` or `OLLAMA_BASE_URL`, and optionally ' +
  '`DEFAULT_MODEL`, then restart.\n'

const ASKS_FOR_SOMETHING = /\?\W*$|\b(?:must|should|shall|needs?|please|ensure|make sure)\b/iu

interface Candidate {
  readonly text: string
  readonly citation: Citation
}

/** Answers the task by quoting the sentences of the material that match it best; the same material, the same answer. */
export function answerFrom(material: Material): ExtractiveAnswer {
  const quotes = rankSentences({ query: material.task, sentences: candidatesOf(material), limit: MAX_QUOTES })
  if (quotes.length === 0) return { text: answerFromTaskAlone(material), citations: [] }

  let text = `${NOTICE}\n## What the material says\n\n`
  const citations: { citation: Citation; textEnd: number }[] = []
  for (const [index, { sentence }] of quotes.entries()) {
    text += `- ${onOneLine(sentence.text)} [${index + 1}]\n`
    citations.push({ citation: sentence.citation, textEnd: text.length })
  }
  text += '\n## References\n\n'
  for (const [index, { citation }] of citations.entries()) {
    const title = onOneLine(citation.title).slice(0, MAX_TITLE_CHARACTERS).toWellFormed()
    text += `- [${index + 1}] ${title}, characters ${citation.start}–${citation.end}\n`
  }
  return { text, citations }
}

/** In reading order: the context, then the passages. */
function candidatesOf({ context, passages = [] }: Material): Candidate[] {
  const fromPassages: Candidate[] = []
  // Passages were already found relevant, so they are read first: a huge context must not crowd them out.
  for (const { documentId, chunkId, title, text, start } of passages) {
    for (const sentence of splitSentences(text, MAX_SENTENCES - fromPassages.length)) {
      fromPassages.push(candidate(sentence, { documentId, chunkId, title, offset: start }))
    }
  }
  const fromContext = splitSentences(context ?? '', MAX_SENTENCES - fromPassages.length).map((sentence) =>
    candidate(sentence, { documentId: null, chunkId: null, title: 'context', offset: 0 }),
  )
  return [...fromContext, ...fromPassages]
}

function candidate(
  { text, start, end }: Sentence,
  { offset, ...source }: { documentId: string | null; chunkId: string | null; title: string; offset: number },
): Candidate {
  return { text, citation: { ...source, start: offset + start, end: offset + end } }
}

function answerFromTaskAlone({ task, context, passages = [] }: Material): string {
  const hasMaterial = [context ?? '', ...passages.map(({ text }) => text)].some((text) => text.trim() !== '')
  const why = hasMaterial
    ? 'There was no material to answer from: no sentence of what was given shares a word with the task.'
    : 'There was no material to answer from: no context was given and no passage was retrieved.'
  const items = checklistOf(task).map((item) => `- [ ] ${item}\n`)
  const checklist = items.length === 0 ? 'The task is empty.\n' : items.join('')
  return `${NOTICE}\n${why}\n\n## What the task asks\n\n${checklist}`
}

/** The task's sentences, those that ask for something first when there are too many, in reading order. */
function checklistOf(task: string): string[] {
  const sentences = splitSentences(task).map(({ text }, position) => ({ text: onOneLine(text), position }))
  if (sentences.length === 0 && task.trim() !== '')
    return [onOneLine(task).slice(0, MAX_TITLE_CHARACTERS).toWellFormed()]
  const asks = sentences.filter(({ text }) => ASKS_FOR_SOMETHING.test(text))
  const others = sentences.filter(({ text }) => !ASKS_FOR_SOMETHING.test(text))
  return [...asks, ...others]
    .slice(0, MAX_CHECKLIST_ITEMS)
    .sort((a, b) => a.position - b.position)
    .map(({ text }) => text)
}

function onOneLine(text: string): string {
  return text.replace(/\s+/gu, ' ').trim()
}
