import { Injectable } from '@nestjs/common'
import type { Tx } from '../../database/tx.js'
import { Claims } from './claims.service.js'
import { currentClaim } from './claim.js'
import { toJsonAnswer } from './json-answer.js'

/** What a creation is answered with. */
export interface CreationAnswer {
  readonly status: number
  readonly body: object
  /** The answer's address, where the route gives one. */
  readonly location?: string
}

/**
 * For services whose write a client may ask for with an `Idempotency-Key`. Exactly one of `bind` and `complete` belongs
 * into the write's own transaction: then no crash at any moment makes a repeated request write twice. Without a key, and
 * outside of a request, neither does anything.
 */
@Injectable()
export class Idempotency {
  constructor(private readonly claims: Claims) {}

  /** What an earlier attempt of this request has created already: go on with that, and create nothing. */
  get boundResource(): string | undefined {
    return currentClaim.getStore()?.resourceId ?? undefined
  }

  /** Whether the request at hand has a key: one of `bind` and `complete` then belongs into its write. */
  get isAsked(): boolean {
    return currentClaim.getStore() !== undefined
  }

  /**
   * Ties the request's key to what `tx` creates.
   * @throws AppError `idempotency_in_flight` when another attempt has taken over: the write must not happen
   */
  async bind(resourceId: string, tx: Tx): Promise<void> {
    const claim = currentClaim.getStore()
    if (claim) await this.claims.bind(claim, resourceId, tx)
  }

  /**
   * Keeps the whole answer when `tx` commits, for what cannot be read again, such as a secret that is shown once. The
   * route then answers exactly this.
   * @throws AppError `idempotency_in_flight` when another attempt has taken over: the write must not happen
   */
  async complete({ status, body, location }: CreationAnswer, tx: Tx): Promise<void> {
    const claim = currentClaim.getStore()
    if (!claim) return
    const answer = toJsonAnswer(status, body, location === undefined ? {} : { location })
    await this.claims.complete(claim, answer, tx)
    tx.afterCommit(() => (claim.answer = answer))
  }
}
