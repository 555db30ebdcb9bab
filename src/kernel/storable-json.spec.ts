import { describe, expect, it } from '@jest/globals'
import { findUnstorable } from './storable-json.js'

const nested = (depth: number): unknown => JSON.parse('{"a":'.repeat(depth) + '{}' + '}'.repeat(depth))

describe('findUnstorable', () => {
  it.each([{}, { a: [1, null, true, 'text', '😀'] }, nested(20)])('lets %j pass', (value) => {
    expect(findUnstorable(value)).toBeNull()
  })

  it.each([{ a: 'x\0' }, { 'x\0': 1 }, ['\uD800'], { a: { '\uDC00': 1 } }])('refuses %j', (value) => {
    expect(findUnstorable(value)).toBe('must not contain null characters or broken text')
  })

  it.each(['{"minimum":1e309}', '{"enum":[1,-1e400]}'])(
    'refuses %s, which would come back as something else',
    (json) => {
      expect(findUnstorable(JSON.parse(json))).toBe('must not contain numbers beyond 1.8e308')
    },
  )

  it('refuses what is nested more than 20 deep, however deep it goes', () => {
    expect(findUnstorable(nested(21))).toBe('must be nested at most 20 deep')
    expect(findUnstorable(nested(100_000))).toBe('must be nested at most 20 deep')
  })
})
