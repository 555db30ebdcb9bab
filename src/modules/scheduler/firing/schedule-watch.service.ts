import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { AppConfig } from '#platform/config/app-config.js'
import { PeriodicTask } from '#platform/jobs/periodic-task.js'
import type { Watch } from './locked-turn.js'
import { ScheduleWatchRepository } from './schedule-watch.repository.js'

/** Well within the shortest grace. */
const RENEWAL_MS = 500

/**
 * Knows since when schedules are watched without a break. A due time of before may have been missed; one of since then was not,
 * however late it is seen to: then we are busy, and nobody was away.
 */
@Injectable()
export class ScheduleWatch implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly task: PeriodicTask
  private readonly graceSeconds: number
  private renewal: Promise<Date> | undefined
  private known: { readonly since: Date; readonly atMs: number } | undefined

  constructor(
    private readonly repository: ScheduleWatchRepository,
    { settings }: AppConfig,
    logger: PinoLogger,
  ) {
    logger.setContext(ScheduleWatch.name)
    this.graceSeconds = settings.SCHEDULE_GRACE_SECONDS
    const pass = async (): Promise<void> => void (await this.renew())
    this.task = new PeriodicTask({ everyMs: RENEWAL_MS, failure: 'schedule_watch_failed', logger, pass })
  }

  onApplicationBootstrap(): void {
    this.task.start()
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.task.stop()
  }

  /** On the database's clock. @throws AppError when it does not answer */
  async look(): Promise<Watch> {
    const isFresh = this.known !== undefined && performance.now() - this.known.atMs < 2 * RENEWAL_MS
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
