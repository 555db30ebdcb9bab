import { Injectable } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { Database } from '#platform/database/database.js'
import { Sweep } from '#platform/jobs/sweep.js'
import { placeAfter } from '../schedules/schedule-place.js'
import { TZ_DATABASE_VERSION } from '../timing/tz-database.js'
import { TimesRefreshRepository } from './times-refresh.repository.js'

const SCHEDULES_PER_BATCH = 500
const MAX_BATCHES = 1000

/**
 * Reckons the next times anew that an older time zone database gave: at start, before anything fires, and now and then, for what an
 * older replica has written since. It goes on from what is dealt with, so that no time is fired twice and none is lost.
 */
@Injectable()
export class TimesRefresh extends Sweep {
  constructor(
    private readonly database: Database,
    private readonly times: TimesRefreshRepository,
    logger: PinoLogger,
  ) {
    super(logger, 'schedule_times_refresh_failed')
  }

  protected pass(): Promise<void> {
    return this.task.inBatches({ size: SCHEDULES_PER_BATCH, maxBatches: MAX_BATCHES }, async (limit) => {
      const stale = await this.times.listStale(TZ_DATABASE_VERSION, limit)
      const byTenant = Map.groupBy(stale, ({ tenantId }) => tenantId)
      for (const [tenantId, keys] of byTenant) {
        await this.refresh(
          tenantId,
          keys.map(({ id }) => id),
        )
      }
      return stale.length
    })
  }

  private async refresh(tenantId: string, ids: readonly string[]): Promise<void> {
    await this.database.workers.transaction({ tenantId }, async (tx) => {
      const schedules = await this.times.lock(tenantId, ids, tx)
      const places = schedules.map((schedule) =>
        Object.assign({ id: schedule.id }, placeAfter(schedule, schedule.cursorAt)),
      )
      await this.times.update(places, TZ_DATABASE_VERSION, tx)
    })
  }
}
