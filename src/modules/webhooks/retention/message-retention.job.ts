import { Injectable } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { AppConfig } from '#platform/config/app-config.js'
import { Sweep } from '#platform/jobs/sweep.js'
import { MessageRetentionRepository } from './message-retention.repository.js'

/** Each may have a delivery for every endpoint, and each of those its attempts: some ten thousand rows in one transaction. */
export const MESSAGES_PER_BATCH = 100
/** A sweep that finds more leaves it to the next one. */
const MAX_BATCHES = 1000

/** Deletes messages after WEBHOOK_RETENTION_DAYS, and with them what was sent of them and what came of it. */
@Injectable()
export class MessageRetention extends Sweep {
  private readonly days: number

  constructor(
    private readonly messages: MessageRetentionRepository,
    { settings }: AppConfig,
    logger: PinoLogger,
  ) {
    super(logger, 'webhook_retention_failed')
    this.days = settings.WEBHOOK_RETENTION_DAYS
  }

  protected pass(): Promise<void> {
    return this.task.inBatches({ size: MESSAGES_PER_BATCH, maxBatches: MAX_BATCHES }, (limit) =>
      this.messages.deleteOld({ days: this.days, limit }),
    )
  }
}
