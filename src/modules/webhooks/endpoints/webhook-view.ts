import type { WebhookRecord } from './webhook.js'
import type { Webhook } from './webhooks.schemas.js'

/** An endpoint as it is read to be shown: with its health, and its secrets but for themselves. */
export interface WebhookRow extends WebhookRecord {
  readonly circuitLevel: number
  readonly consecutiveFailures: number
  readonly failingSince: Date | null
  readonly lastSuccessAt: Date | null
  readonly lastFailureAt: Date | null
  /** Null when that is over. */
  readonly pausedUntil: Date | null
  /** Those that sign, the current one first; times as texts, for they come in JSON. */
  readonly secrets: readonly { readonly id: string; readonly createdAt: string; readonly expiresAt: string | null }[]
}

export function toWebhook(row: WebhookRow): Webhook {
  return {
    id: row.id,
    url: row.url,
    description: row.description,
    events: [...row.events],
    active: row.isActive,
    maxPerSecond: row.maxPerSecond,
    disabledReason: row.disabledReason,
    disabledAt: textOf(row.disabledAt),
    health: {
      circuit: row.circuitLevel > 0 ? 'open' : 'closed',
      consecutiveFailures: row.consecutiveFailures,
      failingSince: textOf(row.failingSince),
      lastSuccessAt: textOf(row.lastSuccessAt),
      lastFailureAt: textOf(row.lastFailureAt),
      pausedUntil: textOf(row.pausedUntil),
    },
    secrets: row.secrets.map(({ id, createdAt, expiresAt }) => ({
      id,
      createdAt: new Date(createdAt).toISOString(),
      expiresAt: expiresAt === null ? null : new Date(expiresAt).toISOString(),
    })),
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  }
}

function textOf(time: Date | null): string | null {
  return time?.toISOString() ?? null
}
