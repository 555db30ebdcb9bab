import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { AppConfig } from '#platform/config/app-config.js'
import { PeriodicTask } from '#platform/jobs/periodic-task.js'
import type { Watch } from './locked-turn.js'
import { ScheduleWatchRepository } from './schedule-watch.repository.js'

const MAX_RENEWAL_MS = 1000
const MS_PER_SECOND = 1000
/** So often within the grace that one renewal that is late, or fails, is no break. */
const RENEWALS_PER_GRACE = 4

/**
 * Knows since when schedules are watched without a break. A due time of before may have been missed; one of since then was not,
 * however late it is seen to: then we are busy, and nobody was away.
 */
@Injectable()
export class ScheduleWatch implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly task: PeriodicTask
  private readonly graceSeconds: number
  private readonly renewalMs: number
  private renewal: Promise<Date> | undefined
  private known: { readonly since: Date; readonly atMs: number } | undefined

  constructor(
    private readonly repository: ScheduleWatchRepository,
    { settings }: AppConfig,
    logger: PinoLogger,
  ) {
    logger.setContext(ScheduleWatch.name)
    this.graceSeconds = settings.SCHEDULE_GRACE_SECONDS
    this.renewalMs = Math.min(MAX_RENEWAL_MS, (this.graceSeconds * MS_PER_SECOND) / RENEWALS_PER_GRACE)
    const pass = async (): Promise<void> => void (await this.renew())
    this.task = new PeriodicTask({ everyMs: this.renewalMs, failure: 'schedule_watch_failed', logger, pass })
  }

  onApplicationBootstrap(): void {
    this.task.start()
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.task.stop()
  }

  /** On the database's clock. @throws AppError when it does not answer */
  async look(): Promise<Watch> {
    const isFresh = this.known !== undefined && performance.now() - this.known.atMs < 2 * this.renewalMs
    const watchedSince = this.known && isFresh ? this.known.since : await this.renew()
    return { watchedSince, graceSeconds: this.graceSeconds }
  }

  private renew(): Promise<Date> {
    this.renewal ??= this.repository
      .renew(this.graceSeconds)
      .then((since) => {
        this.known = { since, atMs: performance.now() }
        return since
      })
      .finally(() => (this.renewal = undefined))
    return this.renewal
  }
}
