import { setImmediate as yieldToOthers, setTimeout as sleep } from 'node:timers/promises'
import { Injectable } from '@nestjs/common'
import { Database } from '#platform/database/database.js'
import type { ScheduleKey } from '../schedules/schedule.js'
import type { Tx } from '#platform/database/tx.js'
import {
  bytesOfRun,
  isAtRest,
  isForeseeable,
  isPlain,
  type LockedTurn,
  lockTurn,
  type PreparedTurn,
  runBytesOf,
  type Watch,
} from './locked-turn.js'
import { ScheduleWatch } from './schedule-watch.service.js'
import { byTenant, type TenantSchedules } from './tenant-schedules.js'
import { TurnPreparation } from './turn-preparation.service.js'
import { TurnWriter } from './turn-writer.service.js'
import type { LockedRow } from './turn-rows.js'
import { type TurnOccasion, TurnsRepository } from './turns.repository.js'

/** More than a schedule can have to do at one moment but for a long outage, which the ticker goes on with. */
const MAX_TURNS = 10
/** Tasks and contexts of the runs that one transaction makes: behind it the others of the batch have another. */
const MAX_RUN_BYTES = 4_000_000
/** Others have theirs as well. */
const MAX_COMPUTING_MS = 20

/** The last of the wait for a due time is the database's, whose clock it is. */
const DATABASE_WAIT_MS = 20
/** A schedule that is held ahead is free by then, and so is one whose turn is taken. */
const MAX_HELD_MS = 1500
const HELD_POLL_MS = 25

/** What a batch of turns has come to. */
interface TurnsTaken {
  readonly taken: number
  /** Runs that they have ordered. */
  readonly ordered: number
  /** One of the schedules has more to do at this moment. */
  readonly hasMore: boolean
}

const NOTHING: TurnsTaken = { taken: 0, ordered: 0, hasMore: false }

/** A schedule as it was prepared, and its row as it is locked. */
interface Standing {
  readonly one: PreparedTurn
  readonly row: LockedRow
}

/** Lets schedules do what is to be done: whoever has the lock of a schedule's row takes its turn, in one commit. */
@Injectable()
export class ScheduleTurns {
  constructor(
    private readonly database: Database,
    private readonly preparation: TurnPreparation,
    private readonly repository: TurnsRepository,
    private readonly writer: TurnWriter,
    private readonly watch: ScheduleWatch,
  ) {}

  /** Without those that somebody else has at this moment, all in one transaction. Their runs are to be announced. */
  async takeFree(schedules: readonly TenantSchedules[]): Promise<TurnsTaken> {
    return this.takeBatch(await this.preparation.prepare(schedules, 'ready'), 'ready')
  }

  /** Does all that is due of one schedule at this moment: before a change of it, and after. In transactions of its own. */
  async take({ tenantId, id }: ScheduleKey): Promise<void> {
    await this.whenFree({ tenantId, id })
    for (let turn = 0; turn < MAX_TURNS; turn += 1) {
      const prepared = await this.preparation.prepare([{ tenantId, ids: [id] }], 'asked')
      const { hasMore } = await this.takeBatch(prepared, 'asked')
      if (!hasMore) return
    }
  }

  /** Waits for whoever holds a schedule, with no connection in hand: one that is held ahead is held for long. Not for ever. */
  async whenFree(key: ScheduleKey): Promise<void> {
    const deadlineMs = performance.now() + MAX_HELD_MS
    while (performance.now() < deadlineMs && (await this.repository.isHeld(key))) await sleep(HELD_POLL_MS)
  }

  /**
   * What schedules will do at a moment to come, when it comes: their turns are written before it, and committed at it. Only of
   * those for which it can be known: with nothing under way, and nothing to do but to order a run. The others are as they were.
   * @param signal ends the wait; nothing has happened then
   */
  async takeAhead(schedules: readonly TenantSchedules[], dueAt: Date, signal: AbortSignal): Promise<TurnsTaken> {
    const prepared = foreseeable(await this.preparation.prepare(schedules, { dueAt }))
    if (prepared.size === 0) return NOTHING
    const watch = await this.watch.look()
    return this.database.timers.transaction({}, async (tx) => {
      // From before the clock is read: what this is wrong by is early, and waited for by the database.
      const askedMs = performance.now()
      const standing = await this.lock(prepared, { dueAt }, tx)
      const nowMs = standing[0]?.row.now.getTime() ?? 0
      const resting = standing.filter(({ row }) => isAtRest(row))
      const atDueTime = resting.map(({ one, row }) => ({ one, row: { ...row, now: dueAt } }))
      const turns = (await takeAll(atDueTime, watch)).filter(isPlain)
      if (turns.length === 0) return NOTHING
      const wait = async (): Promise<Date> => {
        const restMs = dueAt.getTime() - nowMs - (performance.now() - askedMs)
        await sleep(Math.max(0, restMs - DATABASE_WAIT_MS), undefined, { signal })
        return this.repository.waitUntil(dueAt, tx)
      }
      const ordered = await this.writer.writeAhead(turns, dueAt, wait, tx)
      return { taken: turns.length, ordered, hasMore: false }
    })
  }

  private async takeBatch(
    prepared: ReadonlyMap<string, PreparedTurn>,
    occasion: 'asked' | 'ready',
  ): Promise<TurnsTaken> {
    if (prepared.size === 0) return NOTHING
    const watch = await this.watch.look()
    return this.database.timers.transaction({}, async (tx) => {
      const standing = await this.lock(prepared, occasion, tx)
      const turns = await takeAll(standing, watch)
      const announcesRuns = occasion === 'asked'
      const ordered = turns.length > 0 ? await this.writer.write(turns, { announcesRuns }, tx) : 0
      // Those that were prepared in vain, or are too many, have their turns at once.
      const hasMore = turns.length < standing.length || turns.some(({ moves }) => moves.hasMore || moves.isWoken)
      return { taken: turns.length, ordered, hasMore }
    })
  }

  private async lock(prepared: ReadonlyMap<string, PreparedTurn>, occasion: TurnOccasion, tx: Tx): Promise<Standing[]> {
    const rows = await this.repository.lock(toLocks(prepared), occasion, tx)
    return rows.flatMap((row) => {
      const one = prepared.get(row.id)
      return one ? [{ one, row }] : []
    })
  }
}

/** Of one transaction, those for which it can be known what they do when they are due. */
function foreseeable(prepared: ReadonlyMap<string, PreparedTurn>): ReadonlyMap<string, PreparedTurn> {
  let bytes = 0
  const some = [...prepared].filter(([, one]) => {
    if (!isForeseeable(one)) return false
    bytes += bytesOfRun(one.schedule)
    return bytes <= MAX_RUN_BYTES
  })
  return new Map(some)
}

/** In one order: whoever waits for locks of several tenants waits for them in the same. */
function toLocks(prepared: ReadonlyMap<string, PreparedTurn>): TenantSchedules[] {
  const schedules = [...prepared.values()].map(({ schedule }) => schedule)
  return byTenant(schedules).toSorted((a, b) => (a.tenantId < b.tenantId ? -1 : 1))
}

async function takeAll(standing: readonly Standing[], watch: Watch): Promise<LockedTurn[]> {
  const turns: LockedTurn[] = []
  let bytes = 0
  let sinceMs = performance.now()
  for (const { one, row } of standing) {
    if (bytes > MAX_RUN_BYTES) break
    const turn = lockTurn(one, row, watch)
    if (!turn) continue
    turns.push(turn)
    bytes += runBytesOf(turn)
    if (performance.now() - sinceMs < MAX_COMPUTING_MS) continue
    await yieldToOthers()
    sinceMs = performance.now()
  }
  return turns
}
