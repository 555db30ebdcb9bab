import { describe, expect, it } from '@jest/globals'
import { parseWaitPreference } from './prefer.js'

describe('parseWaitPreference', () => {
  it.each([
    [undefined, 60, undefined],
    ['', 60, undefined],
    ['respond-async', 0, 'respond-async'],
    ['respond-async, wait=10', 0, 'respond-async'],
    ['Wait=5', 5, 'wait=5'],
    ['handling=lenient, wait = "7"; foo=bar', 7, 'wait=7'],
    ['wait=0', 0, 'wait=0'],
    ['wait=100000', 300, 'wait=300'],
    ['wait=-1', 60, undefined],
    ['wait=abc', 60, undefined],
  ])('reads %j as %i seconds', (header, waitSeconds, applied) => {
    expect(parseWaitPreference(header)).toEqual({ waitSeconds, applied })
  })
})
