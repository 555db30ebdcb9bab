import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { PeriodicTask } from '../../jobs/periodic-task.js'
import { Database } from '../../database/database.js'
import { RateLimitWindowsRepository } from './rate-limit-windows.repository.js'
import type { Window } from './window.js'

const SCOPE = { purpose: 'rate-limits' } as const
const SWEEP_INTERVAL_MS = 300_000
/** More wait for the next sweep. */
const MAX_SWEPT_ROWS = 10_000

/** Windows that replicas share while Redis is gone, and that are removed some time after they have ended. */
@Injectable()
export class DatabaseWindows implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly task: PeriodicTask

  constructor(
    private readonly database: Database,
    private readonly windows: RateLimitWindowsRepository,
    logger: PinoLogger,
  ) {
    logger.setContext(DatabaseWindows.name)
    this.task = new PeriodicTask({
      everyMs: SWEEP_INTERVAL_MS,
      failure: 'rate_limit_sweep_failed',
      logger,
      pass: () => this.pass(),
    })
  }

  onApplicationBootstrap(): void {
    this.task.start()
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.task.stop()
  }

  /** Counts one request. @throws AppError `unavailable` */
  hit(keyHash: Buffer, windowMs: number): Promise<Window> {
    return this.database.transaction(SCOPE, (tx) => this.windows.hit({ keyHash, windowMs }, tx))
  }

  /** Removes windows that have ended. Never rejects: what is left waits for the next time. */
  sweep(): Promise<void> {
    return this.task.run()
  }

  private async pass(): Promise<void> {
    await this.database.workers.transaction(SCOPE, (tx) => this.windows.deleteExpired({ limit: MAX_SWEPT_ROWS }, tx))
  }
}
