import { Injectable } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { Sweep } from '../../jobs/sweep.js'
import { Database } from '../../database/database.js'
import { RateLimitWindowsRepository } from './rate-limit-windows.repository.js'
import type { Window } from './window.js'

const SCOPE = { purpose: 'rate-limits' } as const
/** More wait for the next sweep. */
const MAX_SWEPT_ROWS = 10_000

/** Windows that replicas share while Redis is gone, and that are removed some time after they have ended. */
@Injectable()
export class DatabaseWindows extends Sweep {
  constructor(
    private readonly database: Database,
    private readonly windows: RateLimitWindowsRepository,
    logger: PinoLogger,
  ) {
    super(logger, 'rate_limit_sweep_failed')
  }

  /** Counts one request. @throws AppError `unavailable` */
  hit(keyHash: Buffer, windowMs: number): Promise<Window> {
    return this.database.transaction(SCOPE, (tx) => this.windows.hit({ keyHash, windowMs }, tx))
  }

  protected async pass(): Promise<void> {
    await this.database.workers.transaction(SCOPE, (tx) => this.windows.deleteExpired({ limit: MAX_SWEPT_ROWS }, tx))
  }
}
