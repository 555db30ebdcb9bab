import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { AuthSweepRepository, SWEPT_TABLES } from './auth-sweep.repository.js'

const INTERVAL_MS = 300_000
const BATCH_SIZE = 500
/** Of each table in one pass: the rest waits for the next, and nobody for us. */
const MAX_BATCHES = 20

/** Deletes sessions, links, invitations, registrations and counted failures that are over, and refresh tokens spent long ago. Nothing depends on it but the size of the tables. */
@Injectable()
export class AuthSweep implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private timer: NodeJS.Timeout | undefined
  private sweeping: Promise<void> | undefined
  private isStopping = false

  constructor(
    private readonly rows: AuthSweepRepository,
    private readonly logger: PinoLogger,
  ) {
    logger.setContext(AuthSweep.name)
  }

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.sweep(), INTERVAL_MS).unref()
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.isStopping = true
    clearInterval(this.timer)
    await this.sweeping
  }

  /** One pass; a second call while one is under way joins it. Never rejects. */
  async sweep(): Promise<void> {
    this.sweeping ??= this.pass()
      .catch((error: unknown) => this.logger.warn({ err: error, event: 'auth_sweep_failed' }, 'auth_sweep_failed'))
      .finally(() => (this.sweeping = undefined))
    await this.sweeping
  }

  private async pass(): Promise<void> {
    for (const table of SWEPT_TABLES) {
      for (let batch = 0; batch < MAX_BATCHES && !this.isStopping; batch++) {
        if ((await this.rows.deleteExpired(table, BATCH_SIZE)) < BATCH_SIZE) break
      }
    }
  }
}
