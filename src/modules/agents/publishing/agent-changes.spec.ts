import { describe, expect, it } from '@jest/globals'
import type { AgentContent } from '../agent-definition.js'
import { applyChanges, changedFields, newContent } from './agent-changes.js'

const BARE = {
  name: 'Translator',
  instructions: 'Translate.',
  description: '',
  capabilities: [],
  tools: [],
  delegates: [],
  requireApproval: false,
}
const FULL: AgentContent = {
  ...BARE,
  description: 'Translates.',
  capabilities: ['translation'],
  tools: [{ tool: 'http_request', config: {} }],
  delegates: 'all',
  requireApproval: true,
  outputSchema: { type: 'object' },
  model: 'offline/extractive',
  fallbackModels: [],
  limits: { maxSteps: 3 },
}

describe('newContent', () => {
  it('has what was said, and defaults', () => {
    expect(newContent({ name: 'Translator', instructions: 'Translate.', model: null })).toStrictEqual(BARE)
    expect(newContent(FULL)).toStrictEqual(FULL)
  })
})

describe('applyChanges', () => {
  it('keeps what is absent', () => {
    expect(applyChanges(FULL, { name: 'Other', model: undefined })).toStrictEqual({ ...FULL, name: 'Other' })
  })

  it('clears what is null, to the default where there is one', () => {
    const cleared = Object.keys(FULL).filter((name) => name !== 'name' && name !== 'instructions')
    const changes = Object.fromEntries(cleared.map((name) => [name, null]))
    expect(applyChanges(FULL, changes)).toStrictEqual(BARE)
  })

  it('does not reach into an object: limits are replaced as a whole', () => {
    expect(applyChanges(FULL, { limits: { maxTokens: 5 } }).limits).toStrictEqual({ maxTokens: 5 })
  })
})

describe('changedFields', () => {
  it('names what differs, also what came or went', () => {
    expect(changedFields(BARE, FULL)).toEqual(Object.keys(FULL).slice(2).sort())
    expect(changedFields(FULL, { ...FULL, capabilities: ['translation'] })).toEqual([])
  })

  it('does not see the order of keys, which the database does not keep', () => {
    const before = { ...BARE, limits: { maxSteps: 1, maxTokens: 2 } }
    expect(changedFields(before, { ...BARE, limits: { maxTokens: 2, maxSteps: 1 } })).toEqual([])
  })
})
