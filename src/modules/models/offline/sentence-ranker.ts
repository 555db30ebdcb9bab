import MiniSearch from 'minisearch'
import { changesTheMeaning, isStopWord, wordsOf } from './words.js'

export interface RankedSentence<S> {
  readonly sentence: S
  /** BM25+ score against the query, over these sentences only: comparable within one ranking, above 0. */
  readonly score: number
}

export const MAX_QUERY_WORDS = 256

/** Share of their words that two sentences must have in common for the lower ranked one to be left out. */
const NEAR_DUPLICATE_SIMILARITY = 0.8
/** Sentences below this share of the best score matched by accident, on one common word. */
const RELATIVE_SCORE_FLOOR = 0.2

/**
 * The `limit` sentences that best answer `query` by BM25, without near-duplicates, in the order in which they were given.
 * Equal scores go to the earlier sentence. Empty when no sentence shares a word with the query other than stop-words.
 */
export function rankSentences<S extends { readonly text: string }>({
  query,
  sentences,
  limit,
}: {
  query: string
  sentences: readonly S[]
  limit: number
}): RankedSentence<S>[] {
  const queryWords = [...new Set(wordsOf(query))].filter((word) => !isStopWord(word)).slice(0, MAX_QUERY_WORDS)
  if (queryWords.length === 0 || sentences.length === 0) return []
  const matches = scoreAll(queryWords, sentences)
  const lowestScore = (matches[0]?.score ?? 0) * RELATIVE_SCORE_FLOOR

  const chosen: { position: number; score: number; sentence: S; words: Set<string> }[] = []
  for (const { position, score } of matches) {
    if (chosen.length >= limit || score < lowestScore) break
    const sentence = sentences[position]
    if (!sentence) continue
    const words = new Set(wordsOf(sentence.text))
    if (chosen.some((other) => areNearDuplicates(words, other.words))) continue
    chosen.push({ position, score, sentence, words })
  }
  return chosen.sort((a, b) => a.position - b.position).map(({ sentence, score }) => ({ sentence, score }))
}

function scoreAll(queryWords: readonly string[], sentences: readonly { text: string }[]) {
  const index = new MiniSearch<{ id: number; text: string }>({
    fields: ['text'],
    tokenize: wordsOf,
    processTerm: (word) => (isStopWord(word) ? null : word),
  })
  index.addAll(sentences.map(({ text }, id) => ({ id, text })))
  return (
    index
      .search(queryWords.join(' '), { tokenize: (query) => query.split(' '), processTerm: (word) => word })
      // MiniSearch multiplies BM25+ by the number of matched words, which hands long sentences the ranking: undone here.
      .map(({ id, score, queryTerms }) => ({ position: Number(id), score: score / queryTerms.length }))
      .sort((a, b) => b.score - a.score || a.position - b.position)
  )
}

/** Never true when the difference holds a number or a negation: hiding a contradiction is worse than repeating a line. */
function areNearDuplicates(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  const onlyInA = [...a].filter((word) => !b.has(word))
  const onlyInB = [...b].filter((word) => !a.has(word))
  const shared = a.size - onlyInA.length
  if (shared < NEAR_DUPLICATE_SIMILARITY * (shared + onlyInA.length + onlyInB.length)) return false
  return ![...onlyInA, ...onlyInB].some(changesTheMeaning)
}
