import { expect, it } from '@jest/globals'
import { TurnBackoff } from './turn-backoff.js'

it('leaves a schedule alone for twice as long each time that it fails, for a minute at most', () => {
  const backoff = new TurnBackoff()
  const rests = [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]
  for (const restMs of rests) {
    backoff.failed('broken', 0)
    expect(backoff.resting(restMs - 1)).toEqual(['broken'])
    expect(backoff.resting(restMs)).toEqual([])
  }
  backoff.succeeded('broken')
  backoff.failed('broken', 0)
  expect(backoff.resting(1000)).toEqual([])
})
