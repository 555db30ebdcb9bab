import { Usd } from '#kernel/usd.js'
import type { ApiKeyRecord } from './api-key.entity.js'
import type { ApiKey } from './api-keys.schemas.js'

/** A key as its list shows it. */
export function toApiKey(key: ApiKeyRecord): ApiKey {
  return {
    id: key.id,
    name: key.name,
    prefix: key.prefix,
    scopes: key.scopes,
    rateLimitPerMinute: key.rateLimitPerMinute,
    budgetUsd: key.budgetUsd === null ? null : Usd.parse(key.budgetUsd).toString(),
    userId: key.userId,
    createdAt: key.createdAt.toISOString(),
    expiresAt: key.expiresAt?.toISOString() ?? null,
    lastUsedAt: key.lastUsedAt?.toISOString() ?? null,
  }
}
