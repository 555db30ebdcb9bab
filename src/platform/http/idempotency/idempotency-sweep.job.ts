import { Injectable } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { Sweep } from '../../jobs/sweep.js'
import { Database } from '../../database/database.js'
import { IdempotencyRepository } from './idempotency.repository.js'

const KEYS_PER_BATCH = 500
/** A sweep that finds more leaves it to the next one. */
const MAX_BATCHES = 100

/** Deletes keys that have outlived their day. Nobody waits for it: a key that is still there then is claimed anew. */
@Injectable()
export class IdempotencySweep extends Sweep {
  constructor(
    private readonly database: Database,
    private readonly keys: IdempotencyRepository,
    logger: PinoLogger,
  ) {
    super(logger, 'idempotency_sweep_failed')
  }

  /** A transaction each batch, so that none holds its locks for long. */
  protected pass(): Promise<void> {
    return this.task.inBatches({ size: KEYS_PER_BATCH, maxBatches: MAX_BATCHES }, (size) =>
      this.database.workers.transaction({ purpose: 'idempotency.sweep' }, (tx) => this.keys.deleteExpired(size, tx)),
    )
  }
}
