import { describe, expect, it } from '@jest/globals'
import { nameOutputLimit } from './openai-output-limit.js'

const request = (model: string) => ({ model, messages: [], max_tokens: 9 })

describe('nameOutputLimit', () => {
  it.each(['gpt-5', 'gpt-5-mini', 'gpt-5.1', 'o1', 'o3-mini', 'o4-mini-2025-04-16', 'openai/gpt-5'])(
    'says max_completion_tokens for %s, wherever it runs',
    (model) => {
      expect(nameOutputLimit(request(model), false)).toEqual({ model, messages: [], max_completion_tokens: 9 })
    },
  )

  it.each(['gpt-4o-mini', 'gpt-4.1', 'llama3.2', 'gpt-oss-20b', 'olmo', 'solo1'])(
    'says max_tokens for %s, which other servers know',
    (model) => {
      expect(nameOutputLimit(request(model), false)).toEqual(request(model))
    },
  )

  it('says max_completion_tokens to OpenAI itself, whatever the model', () => {
    expect(nameOutputLimit(request('gpt-4o-mini'), true)).toMatchObject({ max_completion_tokens: 9 })
    expect(nameOutputLimit({ model: 'gpt-5' }, true)).toEqual({ model: 'gpt-5' })
  })
})
