import { hash } from 'node:crypto'
import { Injectable } from '@nestjs/common'
import { LRU } from 'tiny-lru'
import { Clock } from '#kernel/clock.js'
import { AuthCacheMetrics } from '../access/auth-cache-metrics.service.js'
import type { AccessClaims } from './access-tokens.js'

const MAX_TOKENS = 10_000
/** A ceiling: a token that expires sooner is not found any more. */
const MAX_AGE_MS = 30_000
const MS_PER_SECOND = 1000

/**
 * Access tokens whose signature has just been checked, by their hash: most requests bring one that was here a moment ago.
 * In the process alone: to ask Redis takes longer than to check a signature, and who can write to Redis must not be able
 * to sign anybody in. It says what a token claims, not whether that still holds: that is the principal cache's.
 */
@Injectable()
export class VerifiedTokens {
  private readonly claims = new LRU<AccessClaims>(MAX_TOKENS, MAX_AGE_MS, true)

  constructor(
    private readonly clock: Clock,
    private readonly metrics: AuthCacheMetrics,
  ) {}

  find(token: string): AccessClaims | undefined {
    const claims = this.claims.get(keyOf(token))
    const isValid = claims !== undefined && claims.exp * MS_PER_SECOND > this.clock.now().getTime()
    this.metrics.count('jwt', isValid ? 'hit' : 'miss')
    return isValid ? claims : undefined
  }

  add(token: string, claims: AccessClaims): void {
    this.claims.set(keyOf(token), claims)
  }
}

function keyOf(token: string): string {
  return `jwt:${hash('sha256', token, 'base64url')}`
}
