import { Injectable } from '@nestjs/common'
import { RunOrders } from '#modules/runs'
import { AppConfig } from '#platform/config/app-config.js'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import type { ScheduleKey } from '../schedules/schedule.js'
import { lockTurn, type PreparedTurn } from './locked-turn.js'
import { TurnPreparation } from './turn-preparation.service.js'
import { TurnWriter } from './turn-writer.service.js'
import { TurnsRepository } from './turns.repository.js'

/** More than a schedule can have to do at one moment but for a long outage, which the ticker goes on with. */
const MAX_TURNS = 10

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
    private readonly config: AppConfig,
    private readonly database: Database,
    private readonly preparation: TurnPreparation,
    private readonly repository: TurnsRepository,
    private readonly writer: TurnWriter,
    private readonly orders: RunOrders,
  ) {}

  /** Turns of schedules of one tenant, without those that somebody else has at this moment. Their runs begin after {@link announceRuns}. */
  takeFree(tenantId: string, ids: readonly string[]): Promise<TurnsTaken> {
    return this.takeBatch(tenantId, ids, true)
  }

  /** Does all that is due of one schedule at this moment: before a change of it, and after. In transactions of its own. */
  async take({ tenantId, id }: ScheduleKey): Promise<void> {
    for (let turn = 0; turn < MAX_TURNS; turn += 1) {
      const { hasMore } = await this.takeBatch(tenantId, [id], false)
      if (!hasMore) return
    }
  }

  announceRuns(): Promise<void> {
    return this.orders.announce()
  }

  private async takeBatch(tenantId: string, ids: readonly string[], skipsLocked: boolean): Promise<TurnsTaken> {
    const prepared = await this.preparation.prepare(tenantId, ids, skipsLocked)
    if (prepared.size === 0) return { taken: 0, ordered: 0, hasMore: false }
    return this.database.timers.transaction({ tenantId }, (tx) => this.takeLocked(tenantId, prepared, skipsLocked, tx))
  }

  private async takeLocked(
    tenantId: string,
    prepared: ReadonlyMap<string, PreparedTurn>,
    skipsLocked: boolean,
    tx: Tx,
  ): Promise<TurnsTaken> {
    const rows = await this.repository.lock(tenantId, [...prepared.keys()], skipsLocked, tx)
    const turns = rows.flatMap((row) => {
      const one = prepared.get(row.id)
      return (one && lockTurn(one, row, this.config.settings.SCHEDULE_GRACE_SECONDS)) ?? []
    })
    const ordered = turns.length > 0 ? await this.writer.write(turns, { announcesRuns: !skipsLocked }, tx) : 0
    // Those that were prepared in vain are to be prepared again.
    const hasMore = turns.length < rows.length || turns.some(({ moves }) => moves.hasMore)
    return { taken: turns.length, ordered, hasMore }
  }
}
