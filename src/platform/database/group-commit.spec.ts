import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from '@jest/globals'
import { DatabaseError } from 'pg'
import { AppError } from '#kernel/app-error.js'
import { toAppError } from './database-error.js'
import { GroupCommit } from './group-commit.js'

const TURN_MS = 5

/** Commits that last a turn, and what they were. */
function record(refuse: (items: readonly string[]) => Error | null = () => null) {
  const commits: string[] = []
  let busy = 0
  let mostBusy = 0
  const commit = async (key: string, items: readonly string[]): Promise<void> => {
    commits.push(`${key}:${items.join('')}`)
    mostBusy = Math.max(mostBusy, ++busy)
    await sleep(TURN_MS)
    busy -= 1
    const error = refuse(items)
    if (error) throw error
  }
  return { commits, commit, mostBusy: () => mostBusy }
}

const lockTimeout = (): AppError => {
  const cause = Object.assign(new DatabaseError('canceling statement due to lock timeout', 7, 'error'), {
    code: '55P03',
  })
  return toAppError(cause) as AppError
}

const outcomesOf = async (promises: readonly Promise<void>[]) =>
  (await Promise.allSettled(promises)).map((result) => (result.status === 'fulfilled' ? 'ok' : String(result.reason)))

describe('commits in groups', () => {
  it('go alone while a lane is free, and together when all are busy', async () => {
    const { commits, commit } = record()
    const group = new GroupCommit({ lanes: 2, maxItems: 10, commit })
    await Promise.all(['a', 'b', 'c', 'd', 'e'].map((item) => group.add('t', item)))
    expect(commits).toEqual(['t:a', 't:b', 't:cde'])
    await group.add('t', 'f')
    expect(commits.at(-1)).toBe('t:f')
  })

  it('hold so many items at most', async () => {
    const { commits, commit, mostBusy } = record()
    const group = new GroupCommit({ lanes: 1, maxItems: 2, commit })
    await Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map((item) => group.add('t', item)))
    expect(commits).toEqual(['t:a', 't:bc', 't:de', 't:f'])
    expect(mostBusy()).toBe(1)
  })

  it('never mix keys, nor does one wait for another', async () => {
    const { commits, commit, mostBusy } = record()
    const group = new GroupCommit({ lanes: 1, maxItems: 10, commit })
    await Promise.all([group.add('t', 'a'), group.add('u', 'b'), group.add('t', 'c'), group.add('u', 'd')])
    expect(commits).toEqual(['t:a', 'u:b', 't:c', 'u:d'])
    expect(mostBusy()).toBe(2)
  })

  it('fail for the item that is at fault, and for no other', async () => {
    const { commits, commit } = record((items) =>
      items.includes('x') ? new AppError('wrong', 'invalid', { detail: 'x' }) : null,
    )
    const group = new GroupCommit({ lanes: 1, maxItems: 10, commit })
    const outcomes = await outcomesOf(['a', 'b', 'x', 'c'].map((item) => group.add('t', item)))
    expect(outcomes).toEqual(['ok', 'ok', expect.stringContaining('AppError'), 'ok'])
    expect(commits).toEqual(['t:a', 't:bxc', 't:b', 't:x', 't:c'])
  })

  it('fail for all while the database is away: whether they came through is for each to find out', async () => {
    const away = new AppError('unavailable', 'unavailable', { detail: 'away' })
    const { commits, commit } = record((items) => (items.length > 1 ? away : null))
    const group = new GroupCommit({ lanes: 1, maxItems: 10, commit })
    const results = await Promise.allSettled(['a', 'b', 'c'].map((item) => group.add('t', item)))
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected'])
    expect(commits).toEqual(['t:a', 't:bc'])
  })

  it('go without the one that waits for a lock in vain', async () => {
    const { commits, commit } = record((items) => (items.includes('x') ? lockTimeout() : null))
    const group = new GroupCommit({ lanes: 1, maxItems: 10, commit })
    const results = await Promise.allSettled(['a', 'x', 'b', 'c'].map((item) => group.add('t', item)))
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled'])
    expect(commits).toEqual(['t:a', 't:xbc', 't:x', 't:b', 't:c'])
  })

  it('fail for all where the lock stands in the way of all, rather than let each wait for it', async () => {
    const { commits, commit } = record((items) => (items.includes('a') ? null : lockTimeout()))
    const group = new GroupCommit({ lanes: 1, maxItems: 10, commit })
    const results = await Promise.allSettled(['a', 'b', 'c', 'd', 'e'].map((item) => group.add('t', item)))
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', ...Array<string>(4).fill('rejected')])
    expect(commits).toEqual(['t:a', 't:bcde', 't:b', 't:c'])
  })

  it('are not repeated after an error that does not say whether they came through', async () => {
    const { commits, commit } = record((items) => (items.length > 1 ? new Error('who knows') : null))
    const group = new GroupCommit({ lanes: 1, maxItems: 10, commit })
    const outcomes = await outcomesOf(['a', 'b', 'c'].map((item) => group.add('t', item)))
    expect(outcomes).toEqual(['ok', 'Error: who knows', 'Error: who knows'])
    expect(commits).toEqual(['t:a', 't:bc'])
  })
})
