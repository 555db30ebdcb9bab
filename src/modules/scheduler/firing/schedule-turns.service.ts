import { setImmediate as yieldToOthers } from 'node:timers/promises'
import { Injectable } from '@nestjs/common'
import { Database } from '#platform/database/database.js'
import type { ScheduleKey } from '../schedules/schedule.js'
import { type LockedTurn, lockTurn, type PreparedTurn, runBytesOf, type Watch } from './locked-turn.js'
import { ScheduleWatch } from './schedule-watch.service.js'
import { byTenant, type TenantSchedules } from './tenant-schedules.js'
import { TurnPreparation } from './turn-preparation.service.js'
import { TurnWriter } from './turn-writer.service.js'
import { TurnsRepository } from './turns.repository.js'

/** More than a schedule can have to do at one moment but for a long outage, which the ticker goes on with. */
const MAX_TURNS = 10
/** Tasks and contexts of the runs that one transaction makes: behind it the others of the batch have another. */
const MAX_RUN_BYTES = 4_000_000
/** Others have theirs as well. */
const MAX_COMPUTING_MS = 20

/** What a batch of turns has come to. */
interface TurnsTaken {
  readonly taken: number
  /** Runs that they have ordered. */
  readonly ordered: number
  /** One of the schedules has more to do at this moment. */
  readonly hasMore: boolean
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
    return this.takeBatch(await this.preparation.prepare(schedules, true), true)
  }

  /** Does all that is due of one schedule at this moment: before a change of it, and after. In transactions of its own. */
  async take({ tenantId, id }: ScheduleKey): Promise<void> {
    for (let turn = 0; turn < MAX_TURNS; turn += 1) {
      const prepared = await this.preparation.prepare([{ tenantId, ids: [id] }], false)
      const { hasMore } = await this.takeBatch(prepared, false)
      if (!hasMore) return
    }
  }

  private async takeBatch(prepared: ReadonlyMap<string, PreparedTurn>, skipsLocked: boolean): Promise<TurnsTaken> {
    if (prepared.size === 0) return { taken: 0, ordered: 0, hasMore: false }
    const watch = await this.watch.look()
    return this.database.timers.transaction({}, async (tx) => {
      const rows = await this.repository.lock(toLocks(prepared), skipsLocked, tx)
      const pairs = rows.flatMap((row) => {
        const one = prepared.get(row.id)
        return one ? [{ one, row }] : []
      })
      const turns = await takeAll(pairs, watch)
      const announcesRuns = !skipsLocked
      const ordered = turns.length > 0 ? await this.writer.write(turns, { announcesRuns }, tx) : 0
      // Those that were prepared in vain, or are too many, have their turns at once.
      const hasMore = turns.length < pairs.length || turns.some(({ moves }) => moves.hasMore || moves.isWoken)
      return { taken: turns.length, ordered, hasMore }
    })
  }
}

/** In one order: whoever waits for locks of several tenants waits for them in the same. */
function toLocks(prepared: ReadonlyMap<string, PreparedTurn>): TenantSchedules[] {
  const schedules = [...prepared.values()].map(({ schedule }) => schedule)
  return byTenant(schedules).toSorted((a, b) => (a.tenantId < b.tenantId ? -1 : 1))
}

async function takeAll(
  pairs: readonly { one: PreparedTurn; row: Parameters<typeof lockTurn>[1] }[],
  watch: Watch,
): Promise<LockedTurn[]> {
  const turns: LockedTurn[] = []
  let bytes = 0
  let sinceMs = performance.now()
  for (const { one, row } of pairs) {
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
