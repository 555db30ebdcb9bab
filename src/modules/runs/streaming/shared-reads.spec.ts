import { describe, expect, it } from '@jest/globals'
import { SharedReads } from './shared-reads.js'

describe('reads of one thing', () => {
  it('that are asked for at one moment are one', async () => {
    const reads = new SharedReads<number>()
    let loads = 0
    const load = async (): Promise<number> => ++loads
    expect(await Promise.all([reads.read('a', load), reads.read('a', load), reads.read('a', load)])).toEqual([1, 1, 1])
  })

  it('are not joined once they have begun', async () => {
    const reads = new SharedReads<number>()
    const first = Promise.withResolvers<number>()
    const begun = reads.read('a', () => first.promise)
    await Promise.resolve()
    const second = reads.read('a', async () => 2)
    first.resolve(1)
    expect(await Promise.all([begun, second])).toEqual([1, 2])
  })

  it('share nothing with those of another', async () => {
    const reads = new SharedReads<string>()
    expect(await Promise.all([reads.read('a', async () => 'a'), reads.read('b', async () => 'b')])).toEqual(['a', 'b'])
  })

  it('fail together, and are tried again by who asks later', async () => {
    const reads = new SharedReads<number>()
    const fail = (): Promise<number> => Promise.reject(new Error('away'))
    const both = await Promise.allSettled([reads.read('a', fail), reads.read('a', fail)])
    expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(await reads.read('a', async () => 3)).toBe(3)
  })
})
