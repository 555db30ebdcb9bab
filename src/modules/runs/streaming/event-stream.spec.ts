import { afterEach, describe, expect, it, jest } from '@jest/globals'
import { type EventPage, EventStream } from './event-stream.js'
import type { RunEvent } from './run-event.js'

const NOTHING: EventPage = { events: [], hasMore: false, isOver: false }

function delta(sequence: number): RunEvent {
  return { sequence, type: 'output.delta', data: { text: `${sequence}` }, createdAt: new Date(0) }
}

function end(sequence: number): RunEvent {
  return { ...delta(sequence), type: 'run.completed', data: {} }
}

function page(from: number, to: number, rest: Partial<EventPage> = {}): EventPage {
  return { ...NOTHING, events: Array.from({ length: to - from + 1 }, (_, index) => delta(from + index)), ...rest }
}

/** A reader whose rows are what the test says, read by read. */
function openStream({ cursor = 0, first = NOTHING }: { cursor?: number; first?: EventPage | null } = {}) {
  const sent: number[] = []
  const reads: { after: number; answer: (page: EventPage | Error) => Promise<void> }[] = []
  const reader = { isFull: false, isOver: false }
  const stream = new EventStream(cursor, {
    read: (after) =>
      new Promise((resolve, reject) => {
        const answer = async (answered: EventPage | Error): Promise<void> => {
          if (answered instanceof Error) reject(answered)
          else resolve(answered)
          await new Promise(setImmediate)
        }
        reads.push({ after, answer })
      }),
    isFull: () => reader.isFull,
    send: ({ sequence }) => sent.push(sequence),
    onOver: () => (reader.isOver = true),
  })
  if (first) stream.open(first)
  return { stream, sent, reads, reader }
}

afterEach(() => void jest.useRealTimers())

describe('a stream', () => {
  it('sends live events at once and reads nothing', () => {
    const { stream, sent, reads } = openStream()
    stream.take([delta(1)])
    stream.take([delta(2), delta(3)])
    expect(sent).toEqual([1, 2, 3])
    expect(reads).toHaveLength(0)
  })

  it('does not send again from the rows what was sent live, nor the other way round', async () => {
    const { stream, sent, reads } = openStream({ first: page(1, 2) })
    stream.take([delta(2), delta(3)])
    stream.look()
    await reads[0]?.answer(page(3, 5))
    stream.take([delta(4), delta(5), delta(6)])
    expect(sent).toEqual([1, 2, 3, 4, 5, 6])
  })

  it('holds back what is live until the first read is sent', () => {
    const { stream, sent } = openStream({ first: null })
    stream.take([delta(3), delta(4)])
    stream.open(page(1, 3))
    expect(sent).toEqual([1, 2, 3, 4])
  })

  it('reads the rows once about a gap, and goes on live when they have closed it', async () => {
    const { stream, sent, reads } = openStream({ first: page(1, 1) })
    stream.take([delta(4)])
    stream.take([delta(5)])
    expect(reads.map(({ after }) => after)).toEqual([1])
    await reads[0]?.answer(page(2, 2))
    stream.take([delta(6)])
    expect([sent, reads.length]).toEqual([[1, 2], 1])
    stream.take(null)
    await reads[1]?.answer(page(3, 3))
    expect(sent).toEqual([1, 2, 3, 4, 5, 6])
    stream.take([delta(7)])
    expect([sent.at(-1), reads.length]).toEqual([7, 2])
  })

  it('crosses numbers that nobody will use once the rows go on behind them', async () => {
    const { stream, sent, reads } = openStream({ first: page(1, 3) })
    stream.look()
    await reads[0]?.answer(page(9, 10))
    stream.take([delta(11)])
    expect(sent).toEqual([1, 2, 3, 9, 10, 11])
  })

  it('has one read in flight, and reads again for what was told meanwhile', async () => {
    const { stream, reads } = openStream()
    for (let told = 0; told < 5; told += 1) stream.take(null)
    expect(reads).toHaveLength(1)
    await reads[0]?.answer(NOTHING)
    expect(reads).toHaveLength(2)
    await reads[1]?.answer(NOTHING)
    expect(reads).toHaveLength(2)
  })

  it('reads on while there is more', async () => {
    const { sent, reads } = openStream({ first: page(1, 2, { hasMore: true }) })
    await reads[0]?.answer(page(3, 4, { hasMore: true }))
    await reads[1]?.answer(page(5, 5))
    expect([sent, reads.map(({ after }) => after)]).toEqual([
      [1, 2, 3, 4, 5],
      [2, 4],
    ])
  })

  it('takes the last event from the rows, where it is true', async () => {
    const { stream, sent, reads, reader } = openStream()
    stream.take([delta(1), end(2)])
    expect([sent, reader.isOver]).toEqual([[1], false])
    await reads[0]?.answer({ events: [end(2)], hasMore: false, isOver: true })
    expect([sent, reader.isOver]).toEqual([[1, 2], true])
    stream.take([delta(3)])
    expect(sent).toEqual([1, 2])
  })

  it('looks again when it is told after a read that failed', async () => {
    const { stream, sent, reads } = openStream()
    stream.look()
    await reads[0]?.answer(new Error('the database is away'))
    stream.look()
    await reads[1]?.answer(page(1, 1))
    expect(sent).toEqual([1])
  })

  it('reads nothing for news of rows while it hears everything live, and once when that pauses', () => {
    jest.useFakeTimers()
    const { stream, reads } = openStream()
    for (let sequence = 1; sequence <= 20; sequence += 1) {
      stream.take([delta(sequence)])
      stream.take(null)
      jest.advanceTimersByTime(100)
    }
    expect(reads).toHaveLength(0)
    jest.advanceTimersByTime(300)
    expect(reads.map(({ after }) => after)).toEqual([20])
  })

  it('looks once more soon after it has begun, for what was told before it came and stored after it read', async () => {
    jest.useFakeTimers({ doNotFake: ['setImmediate'] })
    const { sent, reads } = openStream({ first: page(1, 1) })
    jest.advanceTimersByTime(300)
    await reads[0]?.answer(page(2, 3))
    expect(sent).toEqual([1, 2, 3])
    jest.advanceTimersByTime(10_000)
    expect(reads).toHaveLength(1)
  })

  it('asks again about a gap that was not stored yet, though nobody tells that it is', async () => {
    jest.useFakeTimers({ doNotFake: ['setImmediate'] })
    const { stream, sent, reads } = openStream()
    stream.take([delta(3)])
    await reads[0]?.answer(NOTHING)
    jest.advanceTimersByTime(299)
    expect(reads).toHaveLength(1)
    jest.advanceTimersByTime(1)
    await reads[1]?.answer(page(1, 2))
    expect(sent).toEqual([1, 2, 3])
    jest.advanceTimersByTime(10_000)
    expect(reads).toHaveLength(2)
  })

  it('keeps a thousand events waiting and no more: the rest comes from the rows', async () => {
    const { stream, sent, reads } = openStream()
    for (let sequence = 2; sequence <= 1002; sequence += 1) stream.take([delta(sequence)])
    stream.take([delta(1003)])
    await reads[0]?.answer(page(1, 1))
    // Nothing was kept of 2 to 1002.
    expect(sent).toEqual([1])
    await reads[1]?.answer(page(2, 1002))
    expect([sent.length, sent.at(-1)]).toEqual([1003, 1003])
  })
})

describe('a reader who has no room', () => {
  it('is sent nothing, and what he missed afterwards, in order', async () => {
    const { stream, sent, reads, reader } = openStream()
    reader.isFull = true
    stream.take([delta(1), delta(2)])
    stream.look()
    expect([sent, reads]).toEqual([[], []])
    reader.isFull = false
    stream.flow()
    expect(sent).toEqual([1, 2])
    await reads[0]?.answer(page(3, 3))
    expect(sent).toEqual([1, 2, 3])
  })

  it('gets the rest of a page read again', async () => {
    const { stream, sent, reads, reader } = openStream()
    stream.look()
    reader.isFull = true
    await reads[0]?.answer(page(1, 3, { isOver: true }))
    expect([sent, reader.isOver]).toEqual([[], false])
    reader.isFull = false
    stream.flow()
    await reads[1]?.answer(page(1, 3, { isOver: true }))
    expect([sent, reader.isOver]).toEqual([[1, 2, 3], true])
  })
})
