import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { PeriodicTask } from '#platform/jobs/periodic-task.js'
import { AuthSweepRepository, SWEPT_TABLES } from './auth-sweep.repository.js'

const INTERVAL_MS = 300_000
const BATCH_SIZE = 500
/** Of each table in one pass: the rest waits for the next, and nobody for us. */
const MAX_BATCHES = 20

/** Deletes sessions, links, invitations, registrations and counted failures that are over, and refresh tokens spent long ago. Nothing depends on it but the size of the tables. */
@Injectable()
export class AuthSweep implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly task: PeriodicTask

  constructor(
    private readonly rows: AuthSweepRepository,
    logger: PinoLogger,
  ) {
    logger.setContext(AuthSweep.name)
    this.task = new PeriodicTask({
      everyMs: INTERVAL_MS,
      failure: 'auth_sweep_failed',
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

  /** One pass; a second call while one is under way joins it. Never rejects. */
  sweep(): Promise<void> {
    return this.task.run()
  }

  private async pass(): Promise<void> {
    for (const table of SWEPT_TABLES) {
      await this.task.inBatches({ size: BATCH_SIZE, maxBatches: MAX_BATCHES }, (size) =>
        this.rows.deleteExpired(table, size),
      )
    }
  }
}
