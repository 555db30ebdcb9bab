import { Injectable } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import { ScheduleTurns } from '../firing/schedule-turns.service.js'
import { noSuchSchedule, scheduleBusy } from '../scheduler.errors.js'
import type { ScheduleKey, ScheduleRecord } from './schedule.js'
import { toRecord } from './schedule-columns.js'
import { haveSameRun } from './schedule-settings.js'
import { SchedulesRepository } from './schedules.repository.js'

/** A schedule that is due again each time, or that others change each time, is not ours to wait for any longer. */
const MAX_ATTEMPTS = 3

/** A schedule that nobody else changes now, and of which nothing is due. */
interface HeldSchedule {
  readonly schedule: ScheduleRecord
  /** On the database's clock. */
  readonly now: Date
}

interface Attempt<Prepared, Result> {
  /** What has to be known outside of the transaction. The schedule that will be held orders the runs of the one that is seen. */
  readonly prepare: (seen: ScheduleRecord) => Promise<Prepared>
  readonly work: (held: HeldSchedule & { readonly prepared: Prepared }, tx: Tx) => Promise<Result>
}

/** Lets a schedule be changed between two due times: what was due under its old definition has been seen to under that. */
@Injectable()
export class ScheduleStandstill {
  constructor(
    private readonly database: Database,
    private readonly repository: SchedulesRepository,
    private readonly turns: ScheduleTurns,
    private readonly logger: PinoLogger,
  ) {
    logger.setContext(ScheduleStandstill.name)
  }

  /**
   * Runs `work` in a transaction that holds the schedule. May prepare several times.
   * @throws AppError `not_found`; `unavailable` when it does not come to rest
   */
  async hold<Prepared, Result>(key: ScheduleKey, attempt: Attempt<Prepared, Result>): Promise<Result> {
    for (let count = 0; count < MAX_ATTEMPTS; count += 1) {
      const row = await this.repository.readRow(key)
      if (!row) throw noSuchSchedule()
      const seen = toRecord(row)
      const prepared = await attempt.prepare(seen)
      await this.turns.take(key)
      const done = await this.database.transaction({ tenantId: key.tenantId }, async (tx) => {
        const held = await this.tryHold(seen, tx)
        return held && { result: await attempt.work({ ...held, prepared }, tx) }
      })
      if (!done) continue
      await this.goOn(key)
      return done.result
    }
    throw scheduleBusy()
  }

  /** Null when it has other runs than those that were seen, or is due again. */
  private async tryHold(seen: ScheduleRecord, tx: Tx): Promise<HeldSchedule | null> {
    const schedule = await this.repository.findForChange(seen, tx)
    if (!schedule) throw noSuchSchedule()
    // Asked with the lock in hand: the wait for it took time.
    const now = await this.repository.readClock(tx)
    const isDue = schedule.nextRunAt !== null && schedule.nextRunAt <= now
    return isDue || !haveSameRun(schedule, seen) ? null : { schedule, now }
  }

  /** What waits may start under the new definition. It is committed: what is missed here, the ticker sees to. */
  private async goOn(key: ScheduleKey): Promise<void> {
    await this.turns.take(key).catch((error: unknown) => {
      this.logger.warn({ err: error, event: 'schedule_turn_failed', scheduleId: key.id }, 'schedule_turn_failed')
    })
  }
}
