import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { Clock } from '#kernel/clock.js'
import { newId } from '#kernel/ids.js'
import { AppConfig } from '#platform/config/app-config.js'
import { Database } from '#platform/database/database.js'
import { PeriodicTask } from '#platform/jobs/periodic-task.js'
import { DeliveryBell } from '../deliveries/delivery-bell.service.js'
import { type OpenReplay, ReplayBatchesRepository } from './replay-batches.repository.js'

const INTERVAL_MS = 1000
/** Deliveries that one transaction looks at. */
export const DELIVERIES_PER_BATCH = 500
const REPLAYS_PER_LOOK = 100
const FAILURE = 'webhook_replay_failed'

/**
 * Makes the deliveries that replays ask for, a batch of each replay in turn. On every replica: whoever holds a replay's row makes its
 * next batch, and with it moves the cursor, so that a crash between two batches loses nothing and doubles nothing.
 */
@Injectable()
export class ReplayJob implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly task: PeriodicTask
  private readonly retentionDays: number

  constructor(
    private readonly database: Database,
    private readonly replays: ReplayBatchesRepository,
    private readonly bell: DeliveryBell,
    private readonly clock: Clock,
    private readonly logger: PinoLogger,
    { settings }: AppConfig,
  ) {
    this.retentionDays = settings.WEBHOOK_RETENTION_DAYS
    logger.setContext(ReplayJob.name)
    this.task = new PeriodicTask({ everyMs: INTERVAL_MS, failure: FAILURE, logger, pass: () => this.pass() })
  }

  onApplicationBootstrap(): void {
    this.task.start()
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.task.stop()
  }

  /** One pass; a second call while one is under way joins it. Never rejects. */
  work(): Promise<void> {
    return this.task.run()
  }

  /** Until nothing is left, or all that is left is in the hands of others or fails. */
  private async pass(): Promise<void> {
    while (await this.round());
  }

  /** A batch of each open replay. @returns whether there is a point in another round */
  private async round(): Promise<boolean> {
    let hasMore = false
    let last: OpenReplay | undefined
    do {
      const open = await this.replays.listOpen({ after: last, limit: REPLAYS_PER_LOOK })
      for (const replay of open) {
        if (this.task.isStopping) return false
        if (await this.advance(replay)) hasMore = true
      }
      last = open.length < REPLAYS_PER_LOOK ? undefined : open.at(-1)
    } while (last)
    return hasMore
  }

  /** @returns whether it got on, and there may be more. Never rejects: one that fails must not hold up those after it. */
  private async advance(replay: OpenReplay): Promise<boolean> {
    try {
      return await this.database.workers.transaction({ tenantId: replay.tenantId }, async (tx) => {
        const held = await this.replays.hold(replay, tx)
        if (!held) return false
        const now = this.clock.now()
        if (held.isWebhookDeleted) {
          await this.replays.abandon(held, now, tx)
          return false
        }
        const ids = Array.from({ length: DELIVERIES_PER_BATCH }, newId)
        const { added, isFinished } = await this.replays.advance(held, { ids, now }, tx)
        if (added > 0) await this.bell.ring(replay.tenantId, tx)
        if (isFinished) await this.replays.forget(held, this.retentionDays, tx)
        return !isFinished
      })
    } catch (error) {
      this.logger.warn({ err: error, event: FAILURE, replayId: replay.id }, FAILURE)
      return false
    }
  }
}
