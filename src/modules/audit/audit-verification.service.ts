import { Injectable } from '@nestjs/common'
import pLimit from 'p-limit'
import { AppError } from '#kernel/app-error.js'
import type { Principal } from '#platform/http/principal.js'
import { ChainWalk } from './audit-chain.js'
import { AuditLogRepository } from './audit-log.repository.js'
import type { AuditEntry, AuditVerification, ChainBreak } from './audit-log.schemas.js'

/** In memory at once, and hashed before the event loop has its turn again. */
const BATCH_SIZE = 200
/** On this replica, each with one connection at most, and only while a batch is read: the rest of the pool serves others. */
const MAX_VERIFICATIONS = 2

/** Walks a tenant's whole chain and says where it was first tampered with. */
@Injectable()
export class AuditVerificationService {
  private readonly limit = pLimit(MAX_VERIFICATIONS)
  private readonly busyTenants = new Set<string>()

  constructor(private readonly log: AuditLogRepository) {}

  /**
   * Right also while entries are added: the end is read once, at one instant, and rows up to it never change.
   * @param signal ends the walk when nobody waits for its outcome any more
   * @throws AppError `verification_running` while this replica walks the same tenant's chain
   */
  async verify({ tenantId }: Principal, signal: AbortSignal): Promise<AuditVerification> {
    if (this.busyTenants.has(tenantId)) {
      throw new AppError('verification_running', 'conflict', {
        detail: 'A verification of this log is running: wait for its answer.',
      })
    }
    this.busyTenants.add(tenantId)
    try {
      return await this.limit(() => this.walk(tenantId, signal))
    } finally {
      this.busyTenants.delete(tenantId)
    }
  }

  private async walk(tenantId: string, signal: AbortSignal): Promise<AuditVerification> {
    const { head, lastSequence } = await this.log.readEnd({ tenantId })
    const walk = new ChainWalk(tenantId, head)
    const inside = lastSequence === null ? null : await this.findBreak(walk, { tenantId, lastSequence, signal })
    const firstBroken = inside ?? walk.finish()
    return { valid: firstBroken === null, checked: walk.checked, firstBroken, head }
  }

  private async findBreak(
    walk: ChainWalk,
    { tenantId, lastSequence, signal }: { tenantId: string; lastSequence: string; signal: AbortSignal },
  ): Promise<ChainBreak | null> {
    let batch: AuditEntry[] = []
    do {
      if (signal.aborted) throw new AppError('unavailable', 'unavailable', { detail: 'Nobody waits for the answer.' })
      const after = batch.at(-1)?.sequence
      batch = await this.log.readChain({ tenantId }, { after, upTo: lastSequence, limit: BATCH_SIZE })
      for (const entry of batch) {
        const broken = walk.step(entry)
        if (broken) return broken
      }
    } while (batch.length === BATCH_SIZE)
    return null
  }
}
