import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { Database } from '../../database/database.js'
import { IdempotencyRepository } from './idempotency.repository.js'

const INTERVAL_MS = 300_000
const KEYS_PER_BATCH = 500
/** A sweep that finds more leaves it to the next one. */
const MAX_BATCHES = 100

/** Deletes keys that have outlived their day. Nobody waits for it: a key that is still there then is claimed anew. */
@Injectable()
export class IdempotencySweep implements OnApplicationBootstrap, OnApplicationShutdown {
  private timer: NodeJS.Timeout | undefined

  constructor(
    private readonly database: Database,
    private readonly keys: IdempotencyRepository,
    private readonly logger: PinoLogger,
  ) {
    logger.setContext(IdempotencySweep.name)
  }

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.sweep(), INTERVAL_MS)
    this.timer.unref()
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer)
  }

  /** A transaction each batch, so that none holds its locks for long. Never rejects. */
  async sweep(): Promise<void> {
    try {
      for (let batch = 0; batch < MAX_BATCHES; batch += 1) {
        const deleted = await this.database.workers.transaction({ purpose: 'idempotency.sweep' }, (tx) =>
          this.keys.deleteExpired(KEYS_PER_BATCH, tx),
        )
        if (deleted < KEYS_PER_BATCH) return
      }
    } catch (error) {
      this.logger.warn({ err: error, event: 'idempotency_sweep_failed' }, 'idempotency_sweep_failed')
    }
  }
}
