import { describe, expect, it } from '@jest/globals'
import { type AnswerQuestion, kindsOf } from './answer-question.js'

const QUESTION: AnswerQuestion = {
  agent: 'developer',
  agentVersion: 1,
  model: 'openai/gpt-4o-mini',
  instructions: 'Be brief.',
  messages: [{ role: 'user', text: 'Hello' }],
  tools: [],
  outputSchema: null,
  maxOutputTokens: null,
  knowledgeRevision: null,
}
const TOOLS = [{ name: 'clock', description: 'Tells the time.', inputSchema: { type: 'object' } }]

describe('the kinds of a question', () => {
  it.each([
    ['plain', {}, ['text']],
    ['with a schema', { outputSchema: { type: 'object' } }, ['structured']],
    ['with tools', { tools: TOOLS }, ['text', 'tools']],
    ['with knowledge', { knowledgeRevision: 'r1' }, ['text', 'knowledge']],
    ['with all', { outputSchema: {}, tools: TOOLS, knowledgeRevision: '' }, ['structured', 'tools', 'knowledge']],
  ])('%s: %j is %j', (_what, overrides, kinds) => {
    expect(kindsOf({ ...QUESTION, ...overrides })).toEqual(kinds)
  })
})
