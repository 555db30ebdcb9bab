import { afterAll, describe, expect, it } from '@jest/globals'
import { PinoLogger } from 'nestjs-pino'
import { MAX_WAITING_COUNTS, TokenCounter } from './token-counter.js'

describe('TokenCounter', () => {
  const counter = new TokenCounter(new PinoLogger({ pinoHttp: { level: 'silent' } }))
  afterAll(() => counter.onApplicationShutdown())

  it('counts as o200k_base does', async () => {
    expect(await counter.count('')).toBe(0)
    expect(await counter.count('hello world')).toBe(2)
  })

  it('counts each of several texts', async () => {
    expect(await counter.countEach(['hello world', '', 'hello'])).toEqual([2, 0, 1])
    expect(await counter.countAll(['hello world', '', 'hello'])).toBe(3)
  })

  it('starts no thread for texts without a character', async () => {
    const idle = new TokenCounter(new PinoLogger({ pinoHttp: { level: 'silent' } }))
    expect(await idle.countEach(['', ''], { timeoutMs: 0 })).toEqual([0, 0])
  })

  it('keeps the event loop free while it counts', async () => {
    const text = 'The quick brown fox jumps over the lazy dog. '.repeat(20_000)
    let turns = 0
    const timer = setInterval(() => (turns += 1), 1)
    const count = await counter.count(text)
    clearInterval(timer)
    expect(count).toBeGreaterThan(100_000)
    expect(turns).toBeGreaterThan(5)
  })

  it('estimates what it has no time to count, four bytes a token, and can count again after that', async () => {
    const text = 'ab'.repeat(2_000_000)
    expect(await counter.countEach([text, 'é'.repeat(4)], { timeoutMs: 20 })).toEqual([1_000_000, 2])
    expect(await counter.count('hello world')).toBe(2)
  })

  it('estimates what is too much to wait for its turn', async () => {
    const cold = new TokenCounter(new PinoLogger({ pinoHttp: { level: 'silent' } }))
    const counts = await Promise.all(Array.from({ length: MAX_WAITING_COUNTS + 5 }, () => cold.count('a b c d e f')))
    await cold.onApplicationShutdown()
    expect(counts.filter((count) => count === 6)).toHaveLength(MAX_WAITING_COUNTS + 1)
    expect(counts.filter((count) => count === 3)).toHaveLength(4)
  })

  it('bounds what it cannot count by its bytes, and counts what it can', async () => {
    const cold = new TokenCounter(new PinoLogger({ pinoHttp: { level: 'silent' } }))
    const bounds = await Promise.all(
      Array.from({ length: MAX_WAITING_COUNTS + 5 }, () => cold.bound(['a b c d', ' é'])),
    )
    await cold.onApplicationShutdown()
    expect(bounds.filter((bound) => bound === 5)).toHaveLength(MAX_WAITING_COUNTS + 1)
    expect(bounds.filter((bound) => bound === 10)).toHaveLength(4)
  })

  it('takes control tokens in a text for text', async () => {
    expect(await counter.count('<|endoftext|>')).toBeGreaterThan(1)
  })

  it.each(['a', '漢', '😀', ' ', '\n'])('comes to an end on 100 000 times %j', async (character) => {
    expect(await counter.count(character.repeat(100_000))).toBeGreaterThan(0)
  })
})
