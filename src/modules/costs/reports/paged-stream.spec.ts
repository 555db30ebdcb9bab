import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from '@jest/globals'
import { type PagedStreamOptions, toPagedStream } from './paged-stream.js'

const STALL_MS = 20

/** Rows 1 to `count` in pages of two, and which of them were asked for. */
function streamOf(count: number, options: Partial<PagedStreamOptions<number>> = {}) {
  const asked: number[] = []
  const rowsAfter = (row: number): number[] => [row + 1, row + 2].filter((next) => next <= count)
  const stream = toPagedStream<number>({
    first: rowsAfter(0),
    pageSize: 2,
    readAfter: async (row) => {
      asked.push(row)
      return rowsAfter(row)
    },
    header: '',
    toLine: (row) => `${row};`,
    signal: new AbortController().signal,
    stallMs: 10_000,
    ...options,
  })
  return { stream, asked }
}

describe('a stream of pages', () => {
  it.each([
    [0, ''],
    [1, '1;'],
    [2, '1;2;'],
    [5, '1;2;3;4;5;'],
  ])('of %i rows has them all, once, behind its header', async (count, rows) => {
    expect((await streamOf(count).stream.toArray()).join('')).toBe(rows)
    expect((await streamOf(count, { header: 'n;' }).stream.toArray()).join('')).toBe(`n;${rows}`)
  })

  it('reads no page before the one ahead of it is taken', async () => {
    const { stream, asked } = streamOf(100)
    stream.read(0)
    await sleep(STALL_MS)
    expect(asked.length).toBeLessThanOrEqual(2)
    stream.destroy()
  })

  it('fails with what reading fails with', async () => {
    const { stream } = streamOf(10, { readAfter: () => Promise.reject(new Error('away')) })
    await expect(stream.toArray()).rejects.toThrow('away')
  })

  it('fails when its signal aborts', async () => {
    const cut = new AbortController()
    const { stream } = streamOf(1000, { signal: cut.signal })
    const reading = (async () => {
      for await (const _ of stream) cut.abort()
    })()
    await expect(reading).rejects.toThrow('abort')
  })

  it.each([
    ['begun', true],
    ['not begun', false],
  ])('gives up a reader who takes nothing any more, having %s', async (_what, isBegun) => {
    const { stream } = streamOf(1000, { stallMs: STALL_MS })
    if (isBegun) stream.read(0)
    const error = await new Promise((resolve) => stream.once('error', resolve))
    expect(error).toMatchObject({ name: 'AbortError' })
  })

  it('gives nobody up who has taken it all', async () => {
    const { stream } = streamOf(3, { stallMs: STALL_MS })
    await stream.toArray()
    await sleep(STALL_MS * 2)
    expect(stream.errored).toBeNull()
  })
})
