import { Injectable } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { Sweep } from '#platform/jobs/sweep.js'
import { BudgetReservationsRepository } from './budget-reservations.repository.js'

const INTERVAL_MS = 2000
const BATCH_SIZE = 100
/** A run may have been taken up by somebody who has not said so yet. */
const MIN_AGE_MS = 5000
/**
 * After an outage of the database all leases are over, and calls go on: their workers renew within a third of a lease. Most runs of
 * dead workers need no sweep: who takes one up books what was in flight, which frees it.
 */
const MIN_LOST_MS = 15_000
const FAILURE = 'budget_sweep_failed'
const BEFORE_ALL = '00000000-0000-0000-0000-000000000000'

/** Frees what dead workers have reserved, once their leases are over. On every replica. */
@Injectable()
export class BudgetSweep extends Sweep {
  constructor(
    private readonly reservations: BudgetReservationsRepository,
    private readonly logger: PinoLogger,
  ) {
    super(logger, FAILURE, INTERVAL_MS)
  }

  protected async pass(): Promise<void> {
    let last = BEFORE_ALL
    while (!this.task.isStopping) {
      const tenants = await this.reservations.listTenants(last, BATCH_SIZE)
      for (const tenantId of tenants) await this.sweepTenant(tenantId)
      last = tenants.at(-1) ?? last
      if (tenants.length < BATCH_SIZE) return
    }
  }

  /** Each by itself: what fails for one is nothing to the others. */
  private async sweepTenant(tenantId: string): Promise<void> {
    try {
      if (!this.task.isStopping)
        await this.reservations.sweep({ tenantId, minAgeMs: MIN_AGE_MS, minLostMs: MIN_LOST_MS })
    } catch (error) {
      this.logger.warn({ err: error, event: FAILURE, tenantId }, FAILURE)
    }
  }
}
