import { describe, expect, it } from '@jest/globals'
import * as fc from 'fast-check'
import { canonicalJson } from './canonical-json.js'

describe('canonical JSON', () => {
  it('writes the example of RFC 8785, section 3.2.2, as section 3.2.3 has it', () => {
    const example = {
      numbers: [333333333.3333333, 1e30, 4.5, 2e-3, 0.000000000000000000000000001],
      string: '\u20ac$\u000F\u000aA\'\u0042\u0022\u005c\\"/',
      literals: [null, true, false],
    }
    expect(canonicalJson(example)).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],' +
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    )
  })

  it('sorts keys by UTF-16 code units, not by code points or a language', () => {
    expect(canonicalJson({ '\uFB33': 1, '\u{1F600}': 2, ö: 3, z: 4, '10': 5, '1': 6, '': 7 })).toBe(
      '{"":7,"1":6,"10":5,"z":4,"ö":3,"\u{1F600}":2,"\uFB33":1}',
    )
  })

  it('leaves out what is undefined, and keeps its place in a list', () => {
    expect(canonicalJson({ a: undefined, b: [undefined, 1] })).toBe('{"b":[null,1]}')
  })

  it('means the same as the value, and is the same for the same value however it is built', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = canonicalJson(value)
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)))
        expect(canonicalJson(JSON.parse(text))).toBe(text)
      }),
    )
  })
})
