import { describe, expect, it } from '@jest/globals'
import { isUuid, newId } from '#kernel/ids.js'
import { firstIdAfter, firstIdSince } from './id-bounds.js'

const BURST = 20_000

describe('bounds of ids for a window of time', () => {
  it('enclose the ids that are made in it, also those of a burst', () => {
    const since = new Date()
    const ids = Array.from({ length: BURST }, newId)
    const until = new Date(Date.now() + 1)
    expect(ids.every((id) => id >= firstIdSince(since) && id < firstIdAfter(until))).toBe(true)
  })

  it('leave out what was made well before and well after', () => {
    const id = newId()
    expect(firstIdSince(new Date(Date.now() + 3_600_000)) > id).toBe(true)
    expect(firstIdAfter(new Date(Date.now() - 3_600_000)) < id).toBe(true)
  })

  it.each(['0000-01-01T00:00:00Z', '1970-01-01T00:00:00Z', '9999-12-31T23:59:59-14:00'])('are ids for %s', (moment) => {
    expect([firstIdSince(new Date(moment)), firstIdAfter(new Date(moment))].every(isUuid)).toBe(true)
  })
})
