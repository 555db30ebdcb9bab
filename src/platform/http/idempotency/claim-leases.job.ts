import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { Database } from '../../database/database.js'
import type { Claim } from './claim.js'
import { CLAIM_LEASE_MS } from './claims.service.js'
import { IdempotencyRepository } from './idempotency.repository.js'

/** Two renewals may fail before a lease runs out. */
const RENEWALS_PER_LEASE = 3

/** Keeps the claims of this replica's requests alive while these run: a run is waited for up to five minutes. */
@Injectable()
export class ClaimLeases implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly held = new Set<Claim>()
  private timer: NodeJS.Timeout | undefined
  private isRenewing = false

  constructor(
    private readonly database: Database,
    private readonly keys: IdempotencyRepository,
    private readonly logger: PinoLogger,
  ) {
    logger.setContext(ClaimLeases.name)
  }

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.renewAll(), CLAIM_LEASE_MS / RENEWALS_PER_LEASE)
    this.timer.unref()
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer)
  }

  /** Renews the claim until `drop`. */
  hold(claim: Claim): void {
    this.held.add(claim)
  }

  drop(claim: Claim): void {
    this.held.delete(claim)
  }

  /** Renews every lease that this replica holds. A renewal that is slow is not joined by a second one. */
  async renewAll(): Promise<void> {
    if (this.isRenewing) return
    this.isRenewing = true
    for (const [tenantId, claims] of Map.groupBy(this.held, (claim) => claim.tenantId)) {
      try {
        await this.database.workers.transaction({ tenantId }, (tx) =>
          this.keys.extendLeases(tenantId, claims, CLAIM_LEASE_MS, tx),
        )
      } catch (error) {
        const event = 'idempotency_renewal_failed'
        this.logger.warn({ err: error, event, tenantId }, event)
      }
    }
    this.isRenewing = false
  }
}
