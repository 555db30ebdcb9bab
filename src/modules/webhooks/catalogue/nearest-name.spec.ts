import { describe, expect, it } from '@jest/globals'
import { nearestName } from './nearest-name.js'

const NAMES = ['*', 'run.*', 'run.started', 'run.completed', 'approval.requested', 'apiKey.created']

describe('nearestName', () => {
  it.each([
    ['run.complete', 'run.completed'],
    ['runs.completed', 'run.completed'],
    ['RUN.COMPLETED', 'run.completed'],
    ['run_completed', 'run.completed'],
    ['apikey.created', 'apiKey.created'],
    ['api_key.created', 'apiKey.created'],
    ['runs.*', 'run.*'],
    ['run', 'run.*'],
    ['approval.request', 'approval.requested'],
    ['run.start', 'run.started'],
  ])('finds for %s the name %s', (given, meant) => {
    expect(nearestName(given, NAMES)).toBe(meant)
  })

  it.each(['', 'x', '**', 'foo', 'something.else.entirely', '💥'])('finds nothing for %j', (given) => {
    expect(nearestName(given, NAMES)).toBeNull()
  })

  it('finds the nearest, wherever it stands', () => {
    expect(nearestName('abcdefgh', ['abcdefxx', 'abcdefgx', 'abcdefyy'])).toBe('abcdefgx')
  })
})
