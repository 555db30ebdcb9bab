import { APICallError } from '@ai-sdk/provider'
import { describe, expect, it } from '@jest/globals'
import { describeProviderFailure, toModelFailure } from './provider-failure.js'

function failure(message: string, statusCode?: number): APICallError {
  return new APICallError({ message, url: 'http://x', requestBodyValues: {}, ...(statusCode && { statusCode }) })
}

const refusal = (message: string) => toModelFailure(failure(message, 400), 0)

describe('describeProviderFailure', () => {
  it.each([
    [
      failure('Incorrect API key provided: sk-abc***xyz', 401),
      "openai/x: the provider refused this server's credentials (401).",
    ],
    [failure('slow down', 429), 'openai/x: the provider limits the rate (429), and went on doing so.'],
    [failure('connect ECONNREFUSED 10.0.0.1:443'), 'openai/x: the provider could not be reached.'],
    [failure('overloaded', 500), 'openai/x: the provider answered 500: overloaded'],
    [new TypeError('x is not a function'), 'openai/x: the call failed before an answer came.'],
  ])('words %s', (error, expected) => {
    expect(describeProviderFailure('openai/x', toModelFailure(error, 0))).toBe(expected)
  })

  it("never repeats one of the server's own keys, whatever it looks like", () => {
    const detail = describeProviderFailure('openai/x', refusal('You sent f00dfeed, f00dfeed'), ['f00dfeed'])
    expect(detail).toBe('openai/x: the provider answered 400: You sent [redacted], [redacted]')
  })

  it('never repeats a key, whatever the status', () => {
    expect(describeProviderFailure('openai/x', refusal('bad key sk-live-1234567890 given'))).not.toContain('1234567890')
  })
})
