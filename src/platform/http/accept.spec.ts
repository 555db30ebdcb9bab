import { describe, expect, it } from '@jest/globals'
import { prefersEventStream } from './accept.js'

describe('prefersEventStream', () => {
  it.each([
    'text/event-stream',
    'Text/Event-Stream',
    'text/event-stream, application/json',
    'application/json, text/event-stream',
    'text/event-stream;q=0.9, application/json;q=0.8',
    'text/event-stream ; q=0.5',
    'text/event-stream, */*;q=0.1',
    'text/event-stream;charset=utf-8',
    'application/*;q=0.2, */*, text/event-stream;q=0.3',
  ])('is true for %s', (accept) => {
    expect(prefersEventStream(accept)).toBe(true)
  })

  it.each([
    undefined,
    '',
    '*/*',
    'text/*',
    'application/json',
    'text/event-stream;q=0',
    'text/event-stream;q=0.5, application/json',
    'text/event-stream;q=0.5, */*',
    'text/event-stream;q=nonsense',
    'text/event-streams',
  ])('is false for %s', (accept) => {
    expect(prefersEventStream(accept)).toBe(false)
  })
})
