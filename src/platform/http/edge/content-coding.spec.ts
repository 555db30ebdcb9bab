import { describe, expect, it } from '@jest/globals'
import { acceptedCodings } from './content-coding.js'

describe('Accept-Encoding', () => {
  it.each([
    // Nothing said, or nothing that we know: the bytes as they are.
    [undefined, null, 'identity'],
    ['', null, 'identity'],
    ['deflate, zstd', null, 'identity'],
    ['compress;q=1', null, 'identity'],
    // One, or ours of several.
    ['gzip', 'gzip', 'gzip identity'],
    ['br', 'br', 'br identity'],
    ['x-gzip', 'gzip', 'gzip identity'],
    ['GZip', 'gzip', 'gzip identity'],
    ['gzip, deflate, br, zstd', 'br', 'br gzip identity'],
    ['  gzip ;q=0.8 ,\tbr; Q=0.7', 'gzip', 'br gzip identity'],
    ['gzip;q=1.0, br;q=0.999', 'gzip', 'br gzip identity'],
    ['gzip;q=0.5, br;q=0.5', 'br', 'br gzip identity'],
    // Refused ones.
    ['br;q=0, gzip', 'gzip', 'gzip identity'],
    ['gzip;q=0', null, 'identity'],
    ['br;q=0.000', null, 'identity'],
    // The bytes as they are, liked better, or not at all.
    ['identity, gzip;q=0.5', null, 'gzip identity'],
    ['identity;q=0.5, gzip;q=0.5', 'gzip', 'gzip identity'],
    ['identity;q=0.1, gzip;q=0.2', 'gzip', 'gzip identity'],
    ['gzip, identity;q=0', 'gzip', 'gzip'],
    ['identity;q=0', null, ''],
    ['*;q=0', null, ''],
    ['gzip, *;q=0', 'gzip', 'gzip'],
    ['identity, *;q=0', null, 'identity'],
    // The rest.
    ['*', 'br', 'br gzip identity'],
    ['br;q=0, *', 'gzip', 'gzip identity'],
    ['gzip;q=0.4, *;q=0.9', 'br', 'br gzip identity'],
    ['gzip;q=0, br;q=0, *', null, 'identity'],
    // What is malformed counts as not said.
    ['gzip;q=2', null, 'identity'],
    ['gzip;q=-1', null, 'identity'],
    ['gzip;q=0.12345', null, 'identity'],
    ['gzip;q=', null, 'identity'],
    ['gzip;level=9', null, 'identity'],
    [',,;q=1,', null, 'identity'],
    ['gzip;q=nonsense, br', 'br', 'br identity'],
  ])('%j asks for %j and can read %j', (header, best, readable) => {
    const accepted = acceptedCodings(header)
    expect([accepted.best, [...accepted.readable].join(' ')]).toEqual([best, readable])
  })

  it('is read alike however many others came before', () => {
    for (let index = 0; index < 1000; index++) acceptedCodings(`gzip;q=0.${index}`)
    expect(acceptedCodings('gzip;q=0.3, br;q=0.4').best).toBe('br')
    expect(acceptedCodings('gzip;q=0.3, br;q=0.4').best).toBe('br')
  })
})
