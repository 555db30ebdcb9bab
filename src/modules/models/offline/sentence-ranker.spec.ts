import { describe, expect, it } from '@jest/globals'
import { MAX_QUERY_WORDS, rankSentences } from './sentence-ranker.js'

function rank(query: string, texts: readonly string[], limit = 3) {
  return rankSentences({ query, sentences: texts.map((text) => ({ text })), limit })
}

const textsOf = (ranked: ReturnType<typeof rank>) => ranked.map(({ sentence }) => sentence.text)

describe('rankSentences', () => {
  it('finds the sentences that share the rare words of the query', () => {
    const texts = ['Cats sleep a lot.', 'The invoice is due in March.', 'Dogs bark.', 'Pay the invoice by card.']
    const ranked = rank('When is the invoice due?', texts, 1)
    expect(textsOf(ranked)).toEqual(['The invoice is due in March.'])
    expect(ranked[0]?.score).toBeGreaterThan(0)
  })

  it('returns the best in reading order, not in order of score', () => {
    const ranked = rank('invoice due', ['An invoice came.', 'Nothing here.', 'The invoice is due.'], 2)
    expect(textsOf(ranked)).toEqual(['An invoice came.', 'The invoice is due.'])
    expect(ranked[1]?.score).toBeGreaterThan(ranked[0]?.score ?? Infinity)
  })

  it('gives the place to the earlier of two sentences with the same score', () => {
    expect(textsOf(rank('refund', ['Other words here.', 'Refund one.', 'Refund two.', 'Refund ten.'], 2))).toEqual([
      'Refund one.',
      'Refund two.',
    ])
  })

  it('is not driven by stop-words', () => {
    expect(rank('What is it that you should have been doing?', ['It is what it is.', 'You should have been.'])).toEqual(
      [],
    )
    expect(textsOf(rank('what is the tariff', ['What is the what is the?', 'A tariff applies.'], 5))).toEqual([
      'A tariff applies.',
    ])
  })

  it('matches plurals, case and accents written either way', () => {
    expect(rank('POLICY', ['Our policies changed.'])).toHaveLength(1)
    expect(rank('cafe\u0301', ['The caf\u00e9 is open.'])).toHaveLength(1)
    expect(rank('退款', ['我们可以退款吗'])).toHaveLength(1)
  })

  it('leaves out a near-duplicate that says the same', () => {
    const texts = [
      'Refunds for annual plans are prorated after the first month.',
      'REFUNDS for annual plans are prorated, after the first month!',
      'Refund for the annual plan are prorated after the first month',
    ]
    expect(textsOf(rank('annual refunds', [...texts, 'Unrelated.'], 5))).toHaveLength(1)
  })

  it('keeps a sentence that differs only in a number or a negation', () => {
    const texts = [
      'Annual plans are refundable within the first 30 days after payment.',
      'Annual plans are refundable within the first 60 days after payment.',
      'Annual plans are not refundable within the first 30 days after payment.',
    ]
    expect(textsOf(rank('annual plans refundable', [...texts, 'Unrelated.'], 5))).toEqual(texts)
  })

  it('returns nothing without a query, sentences or a match', () => {
    expect(rank('', ['A sentence.'])).toEqual([])
    expect(rank('query', [])).toEqual([])
    expect(rank('query', ['A sentence.'])).toEqual([])
    expect(rank('query', ['A query.'], 0)).toEqual([])
  })

  it('takes words that are names of object members for words', () => {
    const texts = ['The constructor runs.', 'A __proto__ value.', 'Call toString here.']
    expect(textsOf(rank('constructor __proto__ toString hasOwnProperty', texts, 5))).toEqual(texts)
  })

  it('reads a bounded number of query words', () => {
    const query = Array.from({ length: MAX_QUERY_WORDS }, (_, index) => `word${index}`).join(' ')
    expect(rank(`${query} late`, ['Late again.'])).toEqual([])
    expect(rank(`late ${query}`, ['Late again.'])).toHaveLength(1)
  })

  it('gives the same ranking every time', () => {
    const texts = Array.from(
      { length: 500 },
      (_, index) => `Item ${index % 37} costs ${index % 11} with plan ${index % 5}.`,
    )
    const first = rank('cost of item 7 with plan 3', texts, 20)
    expect(first).toHaveLength(20)
    expect(rank('cost of item 7 with plan 3', texts, 20)).toEqual(first)
  })
})
