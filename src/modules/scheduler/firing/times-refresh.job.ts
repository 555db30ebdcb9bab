import { Injectable } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { Sweep } from '#platform/jobs/sweep.js'
import type { ScheduleKey } from '../schedules/schedule.js'
import { TZ_DATABASE_VERSION } from '../timing/tz-database.js'
import { ReadySchedulesRepository } from './ready-schedules.repository.js'
import { TurnRounds } from './turn-rounds.service.js'

const SCHEDULES_PER_BATCH = 500

/**
 * Lets schedules whose next times are by an older time zone database take a turn, which reckons them anew from where they stand: at
 * start, and now and then, for what an older replica has written since. Those that are due meanwhile do it by themselves.
 */
@Injectable()
export class TimesRefresh extends Sweep {
  constructor(
    private readonly schedules: ReadySchedulesRepository,
    private readonly rounds: TurnRounds,
    logger: PinoLogger,
  ) {
    super(logger, 'schedule_times_refresh_failed')
  }

  override onApplicationBootstrap(): void {
    super.onApplicationBootstrap()
    void this.sweep()
  }

  protected async pass(): Promise<void> {
    let after: ScheduleKey | null = null
    do {
      const stale: ScheduleKey[] = await this.schedules.listStale(TZ_DATABASE_VERSION, after, SCHEDULES_PER_BATCH)
      await this.rounds.take(stale)
      after = stale.length < SCHEDULES_PER_BATCH ? null : (stale.at(-1) ?? null)
    } while (after && !this.task.isStopping)
  }
}
