import { describe, expect, it } from '@jest/globals'
import { expandRow, joinRow } from './event-rows.js'

const createdAt = new Date('2026-01-01T00:00:00Z')
const DELTAS = { sequence: 7, type: 'output.delta', data: { texts: ['a', 'b', 'c'] }, createdAt }
const STEP = { sequence: 8, type: 'step.finished', data: { position: 1 }, createdAt }

describe('expandRow', () => {
  it('numbers the pieces of a row so that the last has the number of the row', () => {
    expect(expandRow(DELTAS, 0)).toEqual([
      { sequence: 5, type: 'output.delta', data: { text: 'a' }, createdAt },
      { sequence: 6, type: 'output.delta', data: { text: 'b' }, createdAt },
      { sequence: 7, type: 'output.delta', data: { text: 'c' }, createdAt },
    ])
  })

  it('gives only what comes after the event that was heard last', () => {
    expect([4, 5, 6, 7, 8].map((after) => expandRow(DELTAS, after).map(({ sequence }) => sequence))).toEqual([
      [5, 6, 7],
      [6, 7],
      [7],
      [],
      [],
    ])
  })

  it('gives any other row as it is, once', () => {
    expect(expandRow(STEP, 7)).toEqual([STEP])
    expect(expandRow(STEP, 8)).toEqual([])
  })

  it('keeps what a row says beside its text', () => {
    const row = { ...DELTAS, data: { texts: ['a'], seam: { model: 'b' } } }
    expect(expandRow(row, 0).map(({ data }) => data)).toEqual([{ text: 'a', seam: { model: 'b' } }])
  })
})

describe('joinRow', () => {
  it('is one event with the number of the row and all of its text', () => {
    expect(joinRow(DELTAS, 4)).toEqual({ sequence: 7, type: 'output.delta', data: { text: 'abc' }, createdAt })
  })

  it('leaves out the pieces that were heard', () => {
    expect(joinRow(DELTAS, 5)?.data).toEqual({ text: 'bc' })
    expect(joinRow(DELTAS, 6)?.data).toEqual({ text: 'c' })
    expect(joinRow(DELTAS, 7)).toBeNull()
  })

  it('gives any other row as it is', () => {
    expect(joinRow(STEP, 0)).toEqual(STEP)
  })
})
