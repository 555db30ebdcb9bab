import { Injectable } from '@nestjs/common'
import pLimit from 'p-limit'
import { LRU } from 'tiny-lru'
import { AppError } from '#kernel/app-error.js'
import { Clock } from '#kernel/clock.js'
import type { Principal } from '#platform/http/principal.js'
import { parseApiKey } from '../api-keys/api-key.js'
import { ApiKeyUses } from '../api-keys/api-key-uses.service.js'
import { permissionsOf } from '../permissions.js'
import type { AccessClaims } from '../sessions/access-tokens.js'
import { apiKeyEpoch, memberEpoch, sessionEpoch, tenantEpoch } from './epoch-names.js'
import { PrincipalCache } from './principal-cache.service.js'
import { type ApiKeyFacts, StandingsRepository } from './standings.repository.js'

const MAX_KNOWN_KEYS = 10_000
/** Keys that nobody has presented yet are looked up so many at a time: a flood of invented ones waits for itself, and leaves the requests their connections. */
const UNKNOWN_KEYS_AT_ONCE = 2
const MAX_UNKNOWN_KEYS_WAITING = 500

/** Turns a credential into who is behind it now. */
@Injectable()
export class Principals {
  /** By hash. What a key was made with never changes; whether it still stands is asked each time. */
  private readonly knownKeys = new LRU<ApiKeyFacts>(MAX_KNOWN_KEYS)

  private readonly unknownKeys = pLimit(UNKNOWN_KEYS_AT_ONCE)

  constructor(
    private readonly cache: PrincipalCache,
    private readonly standings: StandingsRepository,
    private readonly uses: ApiKeyUses,
    private readonly clock: Clock,
  ) {}

  /** @throws AppError `unauthenticated` once the session is over or the member is gone or suspended */
  ofSession({ tid: tenantId, sub: userId, sid: sessionId }: AccessClaims): Promise<Principal> {
    return this.cache.get({
      key: `user_perms:${tenantId}:${sessionId}`,
      epochNames: [sessionEpoch(sessionId), memberEpoch(tenantId, userId), tenantEpoch(tenantId)],
      load: async () => {
        const role = await this.standings.findSessionRole({ tenantId, userId, sessionId }, this.clock.now())
        if (role === null) throw refused('This session is over: sign in again.')
        const permissions = permissionsOf(role)
        return { tenantId, userId, sessionId, apiKeyId: null, role, permissions, rateLimitPerMinute: null }
      },
    })
  }

  /** @throws AppError `unauthenticated` for a key that is malformed, unknown, deleted or expired, in the same words */
  async ofApiKey(text: string): Promise<Principal> {
    const key = parseApiKey(text)
    const facts = key && (await this.findKey(key.hash))
    if (!facts || (facts.expiresAt !== null && facts.expiresAt <= this.clock.now())) throw refusedKey()
    const { tenantId, id: apiKeyId, userId, rateLimitPerMinute } = facts
    const principal = await this.cache.get({
      key: `user_perms:${tenantId}:${apiKeyId}`,
      epochNames: [apiKeyEpoch(apiKeyId), memberEpoch(tenantId, userId), tenantEpoch(tenantId)],
      load: async () => {
        const role = await this.standings.findApiKeyRole(facts)
        if (role === null) throw refusedKey()
        const permissions = permissionsOf(role).intersection(new Set(facts.scopes))
        return { tenantId, userId, sessionId: null, apiKeyId, role, permissions, rateLimitPerMinute }
      },
    })
    this.uses.note(tenantId, apiKeyId)
    return principal
  }

  private async findKey(hash: Buffer): Promise<ApiKeyFacts | null> {
    const name = hash.toString('base64url')
    const known = this.knownKeys.get(name)
    if (known) return known
    if (this.unknownKeys.pendingCount >= MAX_UNKNOWN_KEYS_WAITING) throw tooManyUnknownKeys()
    const facts = await this.unknownKeys(() => this.standings.findApiKey(hash))
    if (facts) this.knownKeys.set(name, facts)
    return facts
  }
}

function refusedKey(): AppError {
  return refused('This API key is not valid.')
}

function refused(detail: string): AppError {
  return new AppError('unauthenticated', 'unauthenticated', { detail })
}

function tooManyUnknownKeys(): AppError {
  return new AppError('unavailable', 'unavailable', {
    detail: 'Too many unknown API keys at this moment.',
    retryAfterSeconds: 1,
  })
}
