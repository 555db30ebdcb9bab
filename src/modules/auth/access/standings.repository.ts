import { Injectable } from '@nestjs/common'
import type { ConnectionPool } from '#platform/database/connection-pool.js'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import type { Permission, Role } from '#platform/http/principal.js'

export interface SessionKey {
  readonly tenantId: string
  readonly userId: string
  readonly sessionId: string
}

/** What a key was made with; none of it ever changes. */
export interface ApiKeyFacts {
  readonly tenantId: string
  readonly id: string
  readonly userId: string
  readonly scopes: readonly Permission[]
  readonly rateLimitPerMinute: number | null
  readonly expiresAt: Date | null
}

interface StandingKey {
  readonly tenantId: string
  readonly userId: string
  /** Null: he acts himself. */
  readonly apiKeyId: string | null
}

interface Standing {
  readonly role: Role
  /** Null: no key holds him to any. */
  readonly scopes: readonly Permission[] | null
}

/** How somebody stands at this moment, read in one flight. */
@Injectable()
export class StandingsRepository {
  private readonly requests: ConnectionPool
  private readonly timers: ConnectionPool

  constructor(database: Database) {
    this.requests = database.requests
    this.timers = database.timers
  }

  /** The user's role in the session's tenant; null when the session is over or the member is gone or suspended. */
  async findSessionRole({ tenantId, userId, sessionId }: SessionKey, now: Date): Promise<Role | null> {
    const rows = await this.requests.read<{ role: Role }>(
      { tenantId },
      {
        name: 'session_role',
        text: `SELECT m.role
                 FROM sessions s JOIN memberships m ON m.tenant_id = s.tenant_id AND m.user_id = s.user_id
                WHERE s.tenant_id = $1 AND s.id = $2 AND s.user_id = $3 AND s.revoked_at IS NULL
                  AND s.expires_at > $4 AND s.ends_at > $4 AND m.disabled_at IS NULL`,
        values: [tenantId, sessionId, userId, now],
      },
    )
    return rows[0]?.role ?? null
  }

  /** The key with this hash, whosever it is; null when there is none. */
  async findApiKey(keyHash: Buffer): Promise<ApiKeyFacts | null> {
    const rows = await this.requests.read<ApiKeyFacts>(
      { presentedHash: keyHash },
      {
        name: 'api_key_facts',
        text: `SELECT tenant_id AS "tenantId", id, user_id AS "userId", scopes,
                      rate_limit_per_minute AS "rateLimitPerMinute", expires_at AS "expiresAt"
                 FROM api_keys WHERE key_hash = $1`,
        values: [keyHash],
      },
    )
    return rows[0] ?? null
  }

  /** The role of the key's maker; null when the key is gone, or the member is gone or suspended. */
  async findApiKeyRole({ tenantId, id }: ApiKeyFacts): Promise<Role | null> {
    const rows = await this.requests.read<{ role: Role }>(
      { tenantId },
      {
        name: 'api_key_role',
        text: `SELECT m.role
                 FROM api_keys k JOIN memberships m ON m.tenant_id = k.tenant_id AND m.user_id = k.user_id
                WHERE k.tenant_id = $1 AND k.id = $2 AND m.disabled_at IS NULL`,
        values: [tenantId, id],
      },
    )
    return rows[0]?.role ?? null
  }

  /**
   * The roles of members, and the scopes of the keys that they act by, in the order of the keys; null where either does not stand any
   * more. Of several tenants in one flight. For what is due, not for requests.
   */
  findStandings(keys: readonly StandingKey[], until: Date | null): Promise<(Standing | null)[]> {
    return this.timers.flight({}, (tx) =>
      Promise.all(keys.map((key) => tx.within({ tenantId: key.tenantId }, () => this.findStanding(key, until, tx)))),
    )
  }

  private async findStanding(
    { tenantId, userId, apiKeyId }: StandingKey,
    until: Date | null,
    tx: Tx,
  ): Promise<Standing | null> {
    const rows = await tx.query<Standing>({
      name: 'standing',
      text: `SELECT m.role, k.scopes FROM memberships m
                 LEFT JOIN api_keys k ON k.tenant_id = m.tenant_id AND k.id = $3 AND k.user_id = m.user_id
                  AND (k.expires_at IS NULL OR k.expires_at > greatest(now(), $4::timestamptz))
                WHERE m.tenant_id = $1 AND m.user_id = $2 AND m.disabled_at IS NULL AND ($3::uuid IS NULL OR k.id IS NOT NULL)`,
      values: [tenantId, userId, apiKeyId, until],
    })
    return rows[0] ?? null
  }
}
