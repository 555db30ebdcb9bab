import { describe, expect, it } from '@jest/globals'
import { CallProgress } from './call-progress.js'
import type { ModelCall } from './model-call.js'

function callOf(terms: Pick<ModelCall, 'maxOutputTokens' | 'longestAnswerOf'>): ModelCall {
  return {
    models: ['one/model'],
    instructions: '',
    messages: [],
    tools: [],
    material: { task: '' },
    callId: 'call',
    signal: new AbortController().signal,
    onDelta: () => undefined,
    ...terms,
  }
}

describe('the limit that a try names', () => {
  it.each<[string, number | undefined, number | null, number | undefined]>([
    ['is left out where there is none', undefined, 100, undefined],
    ["is the call's", 50, 100, 50],
    ["is the call's where nobody knows the model", 50, null, 50],
    ['is what the model can say at most', 150, 100, 100],
    ['is left out where no model can say as much', Number.MAX_SAFE_INTEGER, null, undefined],
    ["is the model's, however much is allowed", Number.MAX_SAFE_INTEGER, 100, 100],
  ])('%s', (_what, maxOutputTokens, longest, named) => {
    const limit = maxOutputTokens === undefined ? {} : { maxOutputTokens }
    const progress = new CallProgress(callOf({ ...limit, longestAnswerOf: () => longest }))
    expect(progress.nextTerms('one/model').maxOutputTokens).toBe(named)
  })

  it('of a try that is held to less is that', () => {
    const progress = new CallProgress(callOf({ maxOutputTokens: 50, longestAnswerOf: () => 100 }))
    progress.holdNextTry(20)
    expect(progress.nextTerms('one/model').maxOutputTokens).toBe(20)
  })
})
