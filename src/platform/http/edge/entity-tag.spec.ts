import { describe, expect, it } from '@jest/globals'
import { acceptedCodings } from './content-coding.js'
import { entityTag, findMatch, fingerprintOf } from './entity-tag.js'

const FINGERPRINT = fingerprintOf('{"a":1}')
const TAG = entityTag(FINGERPRINT, null)
const GZIP_TAG = entityTag(FINGERPRINT, 'gzip')

describe('an entity tag', () => {
  it('is equal for equal bytes only, as text or as a buffer', () => {
    expect(fingerprintOf(Buffer.from('{"a":1}'))).toBe(FINGERPRINT)
    expect(fingerprintOf('{"a":2}')).not.toBe(FINGERPRINT)
    expect(fingerprintOf('ä')).toBe(fingerprintOf(Buffer.from('ä')))
  })

  it('is strong, quoted, and another for each coding', () => {
    const tags = [TAG, GZIP_TAG, entityTag(FINGERPRINT, 'br')]
    for (const tag of tags) expect(tag).toMatch(/^"[\x21\x23-\x7e]{20,60}"$/)
    expect(new Set(tags).size).toBe(3)
  })
})

describe('If-None-Match', () => {
  it.each([
    ['the tag', TAG, undefined, 'identity'],
    ['the weak form of it', `W/${TAG}`, undefined, 'identity'],
    ['it in a list', `"a", W/"b", ${TAG}`, undefined, 'identity'],
    ['it in a list without blanks', `"a",${TAG},"b"`, undefined, 'identity'],
    ['anything', '*', undefined, '*'],
    ['anything, with blanks', ' * ', undefined, '*'],
    ['the tag of a coding that the client reads', GZIP_TAG, 'gzip', 'gzip'],
    ['the tag of a coding that it reads less gladly', GZIP_TAG, 'br, gzip;q=0.1', 'gzip'],
    ['the tag of the bytes as they are, of a client that now reads gzip', TAG, 'gzip', 'identity'],
    ['the tag of a coding that the client cannot read', GZIP_TAG, undefined, null],
    ['the tag of bytes that the client does not want', TAG, 'gzip, identity;q=0', null],
    ['another', '"another"', undefined, null],
    ['it without quotes', FINGERPRINT, undefined, null],
    ['its beginning', `"${FINGERPRINT.slice(0, -1)}"`, undefined, null],
    ['it and more', `"${FINGERPRINT}-zstd"`, undefined, null],
    ['a star among others', `*, "another"`, undefined, null],
    ['nothing', '', undefined, null],
  ])('that names %s', (_, header, acceptEncoding, expected) => {
    expect(findMatch(header, FINGERPRINT, acceptedCodings(acceptEncoding))).toBe(expected)
  })
})
