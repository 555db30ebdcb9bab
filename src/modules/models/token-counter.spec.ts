import { describe, expect, it } from '@jest/globals'
import { TokenCounter } from './token-counter.js'

describe('TokenCounter', () => {
  const counter = new TokenCounter()

  it('counts as o200k_base does', async () => {
    expect(await counter.count('')).toBe(0)
    expect(await counter.count('hello world')).toBe(2)
  })

  it('takes control tokens in a text for text', async () => {
    expect(await counter.count('<|endoftext|>')).toBeGreaterThan(1)
  })

  it.each(['a', '漢', '😀', ' ', '\n'])('comes to an end on 100 000 times %j', async (character) => {
    expect(await counter.count(character.repeat(100_000))).toBeGreaterThan(0)
  })
})
