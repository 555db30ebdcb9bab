import type { DeliveryStatus } from '../deliveries/delivery-status.js'
import type { WebhookReplay } from './replays.schemas.js'

/** A replay as it is read. */
export interface ReplayRow {
  readonly id: string
  readonly webhookId: string
  readonly since: Date
  readonly until: Date
  readonly status: DeliveryStatus | null
  readonly replayed: string
  readonly createdAt: Date
  readonly finishedAt: Date | null
}

export function toReplay(row: ReplayRow): WebhookReplay {
  return {
    id: row.id,
    webhookId: row.webhookId,
    since: row.since.toISOString(),
    until: row.until.toISOString(),
    status: row.status,
    replayed: Number(row.replayed),
    state: row.finishedAt ? 'finished' : 'running',
    createdAt: row.createdAt.toISOString(),
    finishedAt: row.finishedAt && row.finishedAt.toISOString(),
  }
}
