import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { AppConfig } from '#platform/config/app-config.js'
import { PeriodicTask } from '#platform/jobs/periodic-task.js'
import { MessageRetentionRepository } from './message-retention.repository.js'

const INTERVAL_MS = 300_000
/** Each may have a delivery for every endpoint, and each of those its attempts: some ten thousand rows in one transaction. */
export const MESSAGES_PER_BATCH = 100
/** A sweep that finds more leaves it to the next one. */
const MAX_BATCHES = 1000

/** Deletes messages after WEBHOOK_RETENTION_DAYS, and with them what was sent of them and what came of it. */
@Injectable()
export class MessageRetention implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly task: PeriodicTask
  private readonly days: number

  constructor(
    private readonly messages: MessageRetentionRepository,
    { settings }: AppConfig,
    logger: PinoLogger,
  ) {
    logger.setContext(MessageRetention.name)
    this.days = settings.WEBHOOK_RETENTION_DAYS
    this.task = new PeriodicTask({
      everyMs: INTERVAL_MS,
      failure: 'webhook_retention_failed',
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

  private pass(): Promise<void> {
    return this.task.inBatches({ size: MESSAGES_PER_BATCH, maxBatches: MAX_BATCHES }, (limit) =>
      this.messages.deleteOld({ days: this.days, limit }),
    )
  }
}
