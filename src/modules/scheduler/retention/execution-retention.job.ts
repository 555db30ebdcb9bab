import { Injectable } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { AppConfig } from '#platform/config/app-config.js'
import { Sweep } from '#platform/jobs/sweep.js'
import { byTenant } from '../firing/tenant-schedules.js'
import { ExecutionRetentionRepository } from './execution-retention.repository.js'

const EXECUTIONS_PER_BATCH = 1000
/** A sweep that finds more leaves it to the next one. */
const MAX_BATCHES = 200

/** Deletes executions after SCHEDULE_RETENTION_DAYS, and deleted schedules with the last of theirs. */
@Injectable()
export class ExecutionRetention extends Sweep {
  private readonly days: number

  constructor(
    private readonly executions: ExecutionRetentionRepository,
    { settings }: AppConfig,
    logger: PinoLogger,
  ) {
    super(logger, 'schedule_retention_failed')
    this.days = settings.SCHEDULE_RETENTION_DAYS
  }

  protected pass(): Promise<void> {
    return this.task.inBatches({ size: EXECUTIONS_PER_BATCH, maxBatches: MAX_BATCHES }, async (limit) => {
      const deleted = await this.executions.deleteOld({ days: this.days, limit })
      const schedules = new Map(deleted.map((key) => [key.id, key]))
      for (const some of byTenant(schedules.values())) await this.executions.deleteEmpty(some)
      return deleted.length
    })
  }
}
