import { describe, expect, it } from '@jest/globals'
import { CompressedCopies } from './compressed-copies.js'

const MEGABYTE = 1024 * 1024

describe('compressed copies', () => {
  it('are found by their tag', () => {
    const copies = new CompressedCopies()
    copies.add('"a-br"', Buffer.from('a'))
    expect([copies.find('"a-br"'), copies.find('"a-gzip"')]).toEqual([Buffer.from('a'), undefined])
  })

  it('never hold more than four megabytes: the oldest make room', () => {
    const copies = new CompressedCopies()
    for (let index = 0; index < 10; index++) copies.add(`${index}`, Buffer.alloc(MEGABYTE))
    expect(Array.from({ length: 10 }, (_, index) => copies.find(`${index}`) !== undefined)).toEqual([
      ...Array.from({ length: 6 }, () => false),
      ...Array.from({ length: 4 }, () => true),
    ])
  })

  it('leave out what is larger than all together may be, and keep the others for it', () => {
    const copies = new CompressedCopies()
    copies.add('small', Buffer.alloc(1))
    copies.add('huge', Buffer.alloc(5 * MEGABYTE))
    expect([copies.find('small')?.length, copies.find('huge')]).toEqual([1, undefined])
  })

  it('count a tag that is added twice once', () => {
    const copies = new CompressedCopies()
    for (let index = 0; index < 10; index++) copies.add('a', Buffer.alloc(MEGABYTE))
    copies.add('b', Buffer.alloc(3 * MEGABYTE))
    expect([copies.find('a')?.length, copies.find('b')?.length]).toEqual([MEGABYTE, 3 * MEGABYTE])
  })
})
