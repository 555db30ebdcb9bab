import { Readable } from 'node:stream'

export interface PagedStreamOptions<Row> {
  readonly first: readonly Row[]
  /** A page that is shorter is the last one. */
  readonly pageSize: number
  /** The page behind that row. */
  readonly readAfter: (row: Row) => Promise<readonly Row[]>
  /** Before all rows; may be empty. */
  readonly header: string
  readonly toLine: (row: Row) => string
  /** Ends the stream with an error. */
  readonly signal: AbortSignal
  /** How long a page may wait to be taken; then the reader counts as gone. */
  readonly stallMs: number
}

/**
 * Rows as text, a page at a time: the next one is read when the reader has taken the one before, and nothing is held in between.
 * What goes wrong on the way is the stream's error, so that it never looks as if it were complete.
 */
export function toPagedStream<Row>(options: PagedStreamOptions<Row>): Readable {
  const { pageSize, readAfter, header, toLine, stallMs } = options
  const stalled = new AbortController()
  const giveUp = (): void => stalled.abort(new Error(`nothing was taken for ${stallMs} ms`))
  let timer = setTimeout(giveUp, stallMs).unref()
  async function* texts(): AsyncGenerator<string> {
    clearTimeout(timer)
    let rows = options.first
    let text = header
    while (true) {
      text += rows.map(toLine).join('')
      const last = rows.at(-1)
      const isLast = rows.length < pageSize
      // Nothing of a page may outlive it, while the reader takes his time or the next one is read: it would never be young again.
      rows = []
      timer = setTimeout(giveUp, stallMs).unref()
      if (text !== '') yield text
      clearTimeout(timer)
      text = ''
      if (last === undefined || isLast) return
      rows = await readAfter(last)
    }
  }
  const signal = AbortSignal.any([options.signal, stalled.signal])
  // One page waits for the reader, and not sixteen: what waits for long is old by the time it is taken, and collected late.
  const stream = Readable.from(texts(), { signal, highWaterMark: 1 })
  // Also for a reader who is gone before the first page.
  return stream.once('close', () => clearTimeout(timer))
}
