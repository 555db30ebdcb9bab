import { describe, expect, it } from '@jest/globals'
import { isUuid, newId } from './ids.js'

describe('newId', () => {
  it('makes version 7, variant 10 ids that carry the current time', () => {
    const before = Date.now()
    const id = newId()
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    const madeAt = Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16)
    expect(madeAt).toBeGreaterThanOrEqual(before)
    expect(madeAt).toBeLessThanOrEqual(Date.now())
  })

  it('never repeats and always increases, however fast they are made', () => {
    const ids = Array.from({ length: 20_000 }, newId)
    expect(new Set(ids).size).toBe(ids.length)
    expect([...ids].sort()).toEqual(ids)
  })
})

describe('isUuid', () => {
  it.each(['', 'x', '0190-0000', `${newId()}0`, '../etc/passwd'])('refuses %j', (value) => {
    expect(isUuid(value)).toBe(false)
  })

  it('accepts either case', () => {
    expect(isUuid(newId().toUpperCase())).toBe(true)
  })
})
