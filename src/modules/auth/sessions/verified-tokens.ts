import { hash } from 'node:crypto'
import { CacheableMemory } from '@cacheable/memory'
import { Injectable } from '@nestjs/common'
import { Clock } from '#kernel/clock.js'
import type { Principal } from '#platform/http/principal.js'

const MAX_TOKENS = 10_000
/** A ceiling: a token that expires sooner is forgotten sooner. */
const MAX_AGE_MS = 30_000
const MS_PER_SECOND = 1000

/** Access tokens whose signature has just been checked, by their hash: most requests bring one that was here a moment ago. */
@Injectable()
export class VerifiedTokens {
  private readonly principals = new CacheableMemory({ lruSize: MAX_TOKENS, useClone: false, checkInterval: 0 })

  constructor(private readonly clock: Clock) {}

  find(token: string): Principal | undefined {
    return this.principals.get<Principal>(keyOf(token))
  }

  /** @param expiresAtSeconds the token's `exp` */
  add(token: string, principal: Principal, expiresAtSeconds: number): void {
    const remainingMs = expiresAtSeconds * MS_PER_SECOND - this.clock.now().getTime()
    if (remainingMs > 0) this.principals.set(keyOf(token), principal, Math.min(remainingMs, MAX_AGE_MS))
  }
}

function keyOf(token: string): string {
  return `jwt:${hash('sha256', token, 'base64url')}`
}
