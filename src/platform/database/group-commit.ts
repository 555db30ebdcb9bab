import { AsyncLocalStorage } from 'node:async_hooks'
import { DatabaseError } from 'pg'
import { AppError } from '#kernel/app-error.js'
import { isLockTimeout } from './database-error.js'

export interface GroupCommitOptions<Item> {
  /** Commits under way at once, for one key. */
  readonly lanes?: number
  /** Most items in one commit. */
  readonly maxItems?: number
  /** All or nothing. */
  readonly commit: (key: string, items: readonly Item[]) => Promise<void>
}

/** While one is on its way the next can be filled: more lanes would only make groups smaller. */
const DEFAULT_LANES = 2
const DEFAULT_MAX_ITEMS = 64
/** One item may meet a lock that somebody keeps. Where a second does as well, it is a table's or a tenant's: each would wait in vain. */
const MAX_LOCK_TIMEOUTS = 2

interface Waiting<Item> {
  readonly item: Item
  readonly outcome: PromiseWithResolvers<void>
}

interface Queue<Item> {
  waiting: Waiting<Item>[]
  busy: number
}

/**
 * Several writes in one commit, as databases do it themselves: what is asked for while a lane is free goes at once, alone; what
 * is asked for while all are busy goes together, when one is free again. Under load a commit is shared, without it nobody waits.
 */
export class GroupCommit<Item> {
  private readonly queues = new Map<string, Queue<Item>>()
  /** A commit is nobody's request: it must not log, nor act, in the name of the one that happened to begin it. */
  private readonly outsideRequests = AsyncLocalStorage.snapshot()

  private readonly options: Required<GroupCommitOptions<Item>>

  constructor(options: GroupCommitOptions<Item>) {
    this.options = { lanes: DEFAULT_LANES, maxItems: DEFAULT_MAX_ITEMS, ...options }
  }

  /** Items of different keys never share a commit. Rejects with what is wrong with this item, not with its neighbours. */
  add(key: string, item: Item): Promise<void> {
    const queue = this.queues.get(key) ?? { waiting: [], busy: 0 }
    this.queues.set(key, queue)
    const outcome = Promise.withResolvers<void>()
    queue.waiting.push({ item, outcome })
    if (queue.busy < this.options.lanes) this.outsideRequests(() => void this.drain(key, queue))
    return outcome.promise
  }

  private async drain(key: string, queue: Queue<Item>): Promise<void> {
    queue.busy += 1
    while (queue.waiting.length > 0) await this.commit(key, queue.waiting.splice(0, this.options.maxItems))
    queue.busy -= 1
    if (queue.busy === 0) this.queues.delete(key)
  }

  /** @returns what went wrong with all of them, if anything did */
  private async commit(key: string, group: readonly Waiting<Item>[]): Promise<unknown> {
    try {
      await this.options.commit(
        key,
        group.map(({ item }) => item),
      )
      for (const { outcome } of group) outcome.resolve()
      return undefined
    } catch (error) {
      if (group.length > 1 && isRefusal(error)) return this.commitEach(key, group)
      for (const { outcome } of group) outcome.reject(error)
      return error
    }
  }

  /** One of them is at fault, and nothing is written: each for itself. */
  private async commitEach(key: string, group: readonly Waiting<Item>[]): Promise<void> {
    let lockTimeouts = 0
    for (const [index, one] of group.entries()) {
      const error = await this.commit(key, [one])
      if (!isLockTimeout(error) || ++lockTimeouts < MAX_LOCK_TIMEOUTS) continue
      for (const { outcome } of group.slice(index + 1)) outcome.reject(error)
      return
    }
  }
}

/** Whether the database has said no, so that nothing was written; after anything else it may have been. */
function isRefusal(error: unknown): boolean {
  if (error instanceof AppError) return error.kind !== 'unavailable' || isConflict(error.cause) || isLockTimeout(error)
  return error instanceof DatabaseError
}

/** A deadlock, or another conflict that one side is told to try again. */
function isConflict(cause: unknown): boolean {
  return cause instanceof DatabaseError && cause.code?.startsWith('40') === true
}
