import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { PeriodicTask } from '../../jobs/periodic-task.js'
import { Database } from '../../database/database.js'
import { IdempotencyRepository } from './idempotency.repository.js'

const INTERVAL_MS = 300_000
const KEYS_PER_BATCH = 500
/** A sweep that finds more leaves it to the next one. */
const MAX_BATCHES = 100

/** Deletes keys that have outlived their day. Nobody waits for it: a key that is still there then is claimed anew. */
@Injectable()
export class IdempotencySweep implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly task: PeriodicTask

  constructor(
    private readonly database: Database,
    private readonly keys: IdempotencyRepository,
    logger: PinoLogger,
  ) {
    logger.setContext(IdempotencySweep.name)
    this.task = new PeriodicTask({
      everyMs: INTERVAL_MS,
      failure: 'idempotency_sweep_failed',
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

  /** One pass. Never rejects. */
  sweep(): Promise<void> {
    return this.task.run()
  }

  /** A transaction each batch, so that none holds its locks for long. */
  private pass(): Promise<void> {
    return this.task.inBatches({ size: KEYS_PER_BATCH, maxBatches: MAX_BATCHES }, (size) =>
      this.database.workers.transaction({ purpose: 'idempotency.sweep' }, (tx) => this.keys.deleteExpired(size, tx)),
    )
  }
}
