import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { PeriodicTask } from '../../jobs/periodic-task.js'
import { Database } from '../../database/database.js'
import type { Claim } from './claim.js'
import { CLAIM_LEASE_MS } from './claims.service.js'
import { IdempotencyRepository } from './idempotency.repository.js'

/** Two renewals may fail before a lease runs out. */
const RENEWALS_PER_LEASE = 3
const FAILURE = 'idempotency_renewal_failed'

/** Keeps the claims of this replica's requests alive while these run: a run is waited for up to five minutes. */
@Injectable()
export class ClaimLeases implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly held = new Set<Claim>()
  private readonly task: PeriodicTask

  constructor(
    private readonly database: Database,
    private readonly keys: IdempotencyRepository,
    private readonly logger: PinoLogger,
  ) {
    logger.setContext(ClaimLeases.name)
    this.task = new PeriodicTask({
      everyMs: CLAIM_LEASE_MS / RENEWALS_PER_LEASE,
      failure: FAILURE,
      logger,
      pass: () => this.pass(),
    })
  }

  onApplicationBootstrap(): void {
    this.task.start()
  }

  /** Last: requests are answered until then. */
  onApplicationShutdown(): Promise<void> {
    return this.task.stop()
  }

  /** Renews the claim until `drop`. */
  hold(claim: Claim): void {
    this.held.add(claim)
  }

  drop(claim: Claim): void {
    this.held.delete(claim)
  }

  /** Renews every lease that this replica holds. */
  renewAll(): Promise<void> {
    return this.task.run()
  }

  private async pass(): Promise<void> {
    for (const [tenantId, claims] of Map.groupBy(this.held, (claim) => claim.tenantId)) {
      try {
        await this.database.workers.transaction({ tenantId }, (tx) =>
          this.keys.extendLeases(tenantId, claims, CLAIM_LEASE_MS, tx),
        )
      } catch (error) {
        this.logger.warn({ err: error, event: FAILURE, tenantId }, FAILURE)
      }
    }
  }
}
