import { Injectable } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { AppError } from '#kernel/app-error.js'
import { Database } from '../../database/database.js'
import type { Tx } from '../../database/tx.js'
import { Sealer } from '../../secrets/sealer.js'
import type { Answer, Claim } from './claim.js'
import { type ClaimAttempt, IdempotencyRepository, type KeyOfTenant, type KeyRow } from './idempotency.repository.js'

/** After this long without a renewal an attempt counts as dead, and the next one takes over. */
export const CLAIM_LEASE_MS = 15_000
const KEY_LIFE_MS = 86_400_000
const IN_FLIGHT_RETRY_SECONDS = 1

/** Claims keys, and keeps the answers. */
@Injectable()
export class Claims {
  constructor(
    private readonly database: Database,
    private readonly keys: IdempotencyRepository,
    private readonly sealer: Sealer,
    private readonly logger: PinoLogger,
  ) {
    logger.setContext(Claims.name)
  }

  /**
   * The key for this request to run under, or the answer that it has had.
   * @throws AppError `idempotency_in_flight`, `idempotency_key_reused`
   */
  async claim(request: KeyOfTenant & { requestHash: Buffer }): Promise<{ claim: Claim } | { answer: Answer }> {
    const { tenantId, key } = request
    const attempt: ClaimAttempt = { ...request, leaseMs: CLAIM_LEASE_MS, lifeMs: KEY_LIFE_MS }
    const { claimed, held } = await this.database.transaction({ tenantId }, async (tx) => {
      const claimed = await this.keys.claim(attempt, tx)
      return { claimed, held: claimed ? null : await this.keys.find(attempt, tx) }
    })
    if (claimed) {
      return { claim: { tenantId, key, fencingNumber: claimed.fencing_number, resourceId: claimed.resource_id } }
    }
    return { answer: this.readAnswer(attempt, held) }
  }

  /** Ties the claim to what this transaction creates. @throws AppError `idempotency_in_flight` when the claim is lost */
  async bind(claim: Claim, resourceId: string, tx: Tx): Promise<void> {
    if (!(await this.keys.bind(claim, resourceId, tx))) throw inFlight()
  }

  /** Keeps the answer when this transaction commits. @throws AppError `idempotency_in_flight` when the claim is lost */
  async complete(claim: Claim, answer: Answer, tx: Tx): Promise<void> {
    const body = answer.body && this.sealer.seal(answer.body, placeOf(claim))
    if (!(await this.keys.complete(claim, { ...answer, body }, tx))) throw inFlight()
  }

  /** Keeps the answer, if the claim still holds. Never rejects: the work is done, and its caller must hear of it. */
  async keep(claim: Claim, answer: Answer): Promise<void> {
    await this.attempt('idempotency_answer_not_kept', () =>
      this.database.transaction({ tenantId: claim.tenantId }, (tx) => this.complete(claim, answer, tx)),
    )
  }

  /** Gives the key back for another attempt. Never rejects: the lease runs out by itself. */
  async release(claim: Claim): Promise<void> {
    await this.attempt('idempotency_key_not_released', () =>
      this.database.transaction({ tenantId: claim.tenantId }, (tx) => this.keys.release(claim, tx)),
    )
  }

  private readAnswer(attempt: ClaimAttempt, held: KeyRow | null): Answer {
    if (held && !held.request_hash.equals(attempt.requestHash)) {
      throw new AppError('idempotency_key_reused', 'unprocessable', {
        detail: 'This Idempotency-Key was used for another request: use a new one for each.',
      })
    }
    if (!held || held.response_status === null) throw inFlight()
    const body = held.response_body && this.openBody(attempt, held.response_body)
    return { status: held.response_status, headers: held.response_headers ?? {}, body }
  }

  /** To do it all again would be worse than to say that the answer is gone. */
  private openBody(attempt: KeyOfTenant, sealed: Buffer): Buffer {
    try {
      return this.sealer.open(sealed, placeOf(attempt))
    } catch (cause) {
      this.logger.error({ err: cause, event: 'idempotency_answer_unreadable' }, 'idempotency_answer_unreadable')
      throw new AppError('idempotency_answer_lost', 'conflict', {
        detail:
          'This request was done; its answer cannot be read any more, since the secret of the server has changed.',
        cause,
      })
    }
  }

  private async attempt(failure: string, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      this.logger.warn({ err: error, event: failure }, failure)
    }
  }
}

function placeOf({ tenantId, key }: KeyOfTenant): string {
  return `idempotency_keys/${tenantId}/${key}`
}

function inFlight(): AppError {
  return new AppError('idempotency_in_flight', 'conflict', {
    detail: 'The first request with this Idempotency-Key is still running: ask again.',
    retryAfterSeconds: IN_FLIGHT_RETRY_SECONDS,
  })
}
