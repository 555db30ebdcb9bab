import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
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
  private timer: NodeJS.Timeout | undefined

  constructor(
    private readonly database: Database,
    private readonly windows: RateLimitWindowsRepository,
    private readonly logger: PinoLogger,
  ) {
    logger.setContext(DatabaseWindows.name)
  }

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.sweep(), SWEEP_INTERVAL_MS).unref()
  }

  beforeApplicationShutdown(): void {
    clearInterval(this.timer)
  }

  /** Counts one request. @throws AppError `unavailable` */
  hit(keyHash: Buffer, windowMs: number): Promise<Window> {
    return this.database.transaction(SCOPE, (tx) => this.windows.hit({ keyHash, windowMs }, tx))
  }

  /** Removes windows that have ended. Never rejects: what is left waits for the next time. */
  async sweep(): Promise<void> {
    try {
      await this.database.workers.transaction(SCOPE, (tx) => this.windows.deleteExpired({ limit: MAX_SWEPT_ROWS }, tx))
    } catch (error) {
      this.logger.warn({ err: error, event: 'rate_limit_sweep_failed' }, 'rate_limit_sweep_failed')
    }
  }
}
