import { describe, expect, it } from '@jest/globals'
import { AppError } from '#kernel/app-error.js'
import type { ReplayWebhookCommand } from './replays.schemas.js'
import { toReplayWindow } from './replay-window.js'

const NOW = new Date('2026-11-21T12:00:00.000Z')
const SINCE = '2026-11-20T12:00:00.000Z'

describe('a window', () => {
  it('ends now where nothing is said, or something later', () => {
    expect(toReplayWindow({ since: SINCE }, NOW)).toEqual({ since: new Date(SINCE), until: NOW, status: null })
    expect(toReplayWindow({ since: SINCE, until: '2027-01-01T00:00:00Z' }, NOW).until).toEqual(NOW)
  })

  it('is of the status and the offsets that are given', () => {
    const window = toReplayWindow({ since: SINCE, until: '2026-11-21T06:00:00+14:00', status: 'exhausted' }, NOW)
    expect(window).toEqual({
      since: new Date(SINCE),
      until: new Date('2026-11-20T16:00:00.000Z'),
      status: 'exhausted',
    })
  })

  it('may begin before there was time', () => {
    expect(toReplayWindow({ since: '0000-01-01T00:00:00+14:00' }, NOW).since).toEqual(new Date(0))
  })

  it.each<[string, ReplayWebhookCommand, string]>([
    ['begins now', { since: NOW.toISOString() }, '/since'],
    ['begins in the future', { since: '2026-11-21T12:00:00.001Z' }, '/since'],
    ['ends where it begins', { since: SINCE, until: SINCE }, '/until'],
    ['ends before it begins', { since: SINCE, until: '2026-11-19T12:00:00.000Z' }, '/until'],
    ['ends before there was time', { since: '1960-01-01T00:00:00Z', until: '1961-01-01T00:00:00Z' }, '/until'],
  ])('is refused when it %s', (_what, command, pointer) => {
    const refusal = thrownBy(() => toReplayWindow(command, NOW))
    expect(refusal).toMatchObject({ code: 'validation_failed', errors: [{ pointer }] })
  })
})

function thrownBy(work: () => unknown): AppError {
  try {
    work()
  } catch (error) {
    return error as AppError
  }
  throw new Error('nothing was thrown')
}
