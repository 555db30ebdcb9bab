import { Injectable } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { Sweep } from '#platform/jobs/sweep.js'
import { AuthSweepRepository, SWEPT_TABLES } from './auth-sweep.repository.js'

const BATCH_SIZE = 500
/** Of each table in one pass: the rest waits for the next, and nobody for us. */
const MAX_BATCHES = 20

/** Deletes sessions, links, invitations, registrations and counted failures that are over, and refresh tokens spent long ago. Nothing depends on it but the size of the tables. */
@Injectable()
export class AuthSweep extends Sweep {
  constructor(
    private readonly rows: AuthSweepRepository,
    logger: PinoLogger,
  ) {
    super(logger, 'auth_sweep_failed')
  }

  protected async pass(): Promise<void> {
    for (const table of SWEPT_TABLES) {
      await this.task.inBatches({ size: BATCH_SIZE, maxBatches: MAX_BATCHES }, (size) =>
        this.rows.deleteExpired(table, size),
      )
    }
  }
}
