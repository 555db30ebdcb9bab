import { describe, expect, it } from '@jest/globals'
import { answerFrom, MAX_CHECKLIST_ITEMS, MAX_QUOTES } from './extractive-answer.js'
import { MAX_SENTENCES } from './sentences.js'

const context = 'Shipping is free. Refunds for monthly plans\r\ntake 14 days 🎉. We close on Sundays.'
const document = 'Preface of forty characters, to be skipped. Annual plans are refunded in part. Cats sleep.'
const passage = { documentId: 'doc-1', chunkId: 'chunk-2', title: 'Billing\nFAQ', text: document.slice(44), start: 44 }
const task = 'How long do refunds take for monthly and annual plans?'

describe('answerFrom', () => {
  it('says that no model is configured and how to add one', () => {
    for (const material of [{ task, context, passages: [passage] }, { task }, { task: '' }]) {
      const { text } = answerFrom(material)
      expect(text).toContain('No language model is configured')
      for (const name of ['OPENAI_API_KEY', 'ANTHROPIC_API_KEY', 'OLLAMA_BASE_URL', 'DEFAULT_MODEL']) {
        expect(text).toContain(name)
      }
    }
  })

  it('quotes what the context and the passages say, with numbered references', () => {
    expect(answerFrom({ task, context, passages: [passage] }).text).toContain(
      '## What the material says\n\n' +
        '- Refunds for monthly plans take 14 days 🎉. [1]\n' +
        '- Annual plans are refunded in part. [2]\n\n' +
        '## References\n\n- [1] context, characters 18–61\n- [2] Billing FAQ, characters 44–78\n',
    )
  })

  it('cites offsets that slice back to the sentence, in the context and in the document', () => {
    const { text, citations } = answerFrom({ task, context, passages: [passage] })
    expect(citations.map(({ citation }) => citation)).toEqual([
      { documentId: null, chunkId: null, title: 'context', start: 18, end: 61 },
      { documentId: 'doc-1', chunkId: 'chunk-2', title: 'Billing\nFAQ', start: 44, end: 78 },
    ])
    expect(context.slice(18, 61)).toBe('Refunds for monthly plans\r\ntake 14 days 🎉.')
    expect(document.slice(44, 78)).toBe('Annual plans are refunded in part.')
    expect(citations.map(({ textEnd }) => text.slice(textEnd - 4, textEnd))).toEqual(['[1]\n', '[2]\n'])
  })

  it('answers from the task, as a checklist, when there is no material', () => {
    const { text, citations } = answerFrom({
      task: 'Write a haiku. It must be about rain.',
      context: ' ',
      passages: [],
    })
    expect(text).toContain('no material to answer from: no context was given')
    expect(text).toContain('- [ ] Write a haiku.\n- [ ] It must be about rain.\n')
    expect(citations).toEqual([])
  })

  it('answers from the task when nothing in the material matches', () => {
    const { text } = answerFrom({ task: 'Explain quantum physics.', context: 'Cats sleep.' })
    expect(text).toContain('no material to answer from: no sentence of what was given')
    expect(text).toContain('- [ ] Explain quantum physics.\n')
  })

  it('prefers what the task asks for when the checklist is too short for all of it', () => {
    const { text } = answerFrom({ task: `${'Some background here. '.repeat(20)}You must log in. Can it be done?` })
    const items = text.match(/^- \[ \] .*/gm)
    expect(items).toHaveLength(MAX_CHECKLIST_ITEMS)
    expect(items?.slice(-2)).toEqual(['- [ ] You must log in.', '- [ ] Can it be done?'])
  })

  it('answers an empty task and a task without words', () => {
    expect(answerFrom({ task: ' \n' }).text).toContain('The task is empty.')
    expect(answerFrom({ task: '🎉' }).text).toContain('- [ ] 🎉\n')
  })

  it('reads the passages even when the context alone would fill the limit of sentences', () => {
    const { citations } = answerFrom({ task, context: 'A word. '.repeat(MAX_SENTENCES + 10), passages: [passage] })
    expect(citations.map(({ citation }) => citation.documentId)).toEqual(['doc-1'])
  })

  it('gives a bounded answer for 100 000 characters of task, of context and of each of 20 passages', () => {
    const text = Array.from({ length: 2_500 }, (_, index) => `Refund number ${index} was for plan ${index % 97}. `)
      .join('')
      .slice(0, 100_000)
    const passages = Array.from({ length: 20 }, () => ({ ...passage, title: 'x'.repeat(10_000), text }))
    const answer = answerFrom({ task: text, context: text, passages })
    expect(answer.citations).toHaveLength(MAX_QUOTES)
    expect(answer.text.length).toBeLessThan(5_000)
  })

  it('gives the same answer to the same material', () => {
    const material = { task, context: context.repeat(20), passages: [passage, passage] }
    expect(answerFrom(material)).toEqual(answerFrom(structuredClone(material)))
  })
})
