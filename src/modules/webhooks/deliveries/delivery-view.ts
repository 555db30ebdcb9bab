import type { DeliveryStatus } from './delivery-status.js'
import type { WebhookDelivery, WebhookDeliverySummary } from './deliveries.schemas.js'

/** A delivery as it is read, but for what can be large. */
export interface DeliverySummaryRow {
  readonly id: string
  readonly webhookId: string
  readonly messageId: string
  readonly eventType: string
  readonly status: DeliveryStatus
  readonly attemptCount: number
  readonly nextRetryAt: Date | null
  readonly lastStatus: number | null
  readonly lastError: string | null
  readonly replayId: string | null
  readonly createdAt: Date
  readonly finishedAt: Date | null
}

export interface DeliveryRow extends DeliverySummaryRow {
  readonly url: string
  readonly body: string
}

export interface AttemptRow {
  readonly number: number
  readonly startedAt: Date
  readonly durationMs: number
  readonly status: number | null
  readonly headers: Record<string, string> | null
  readonly body: string | null
  readonly error: string | null
}

export function toDeliverySummary(row: DeliverySummaryRow): WebhookDeliverySummary {
  return {
    id: row.id,
    webhookId: row.webhookId,
    messageId: row.messageId,
    eventType: row.eventType,
    status: row.status,
    attemptCount: row.attemptCount,
    // Of one under way it is the end of its claim, which is ours to know.
    nextRetryAt: row.status === 'delivering' || !row.nextRetryAt ? null : row.nextRetryAt.toISOString(),
    lastStatus: row.lastStatus,
    lastError: row.lastError,
    replayId: row.replayId,
    createdAt: row.createdAt.toISOString(),
    finishedAt: row.finishedAt && row.finishedAt.toISOString(),
  }
}

export function toDelivery(row: DeliveryRow, attempts: readonly AttemptRow[]): WebhookDelivery {
  return {
    ...toDeliverySummary(row),
    url: row.url,
    body: row.body,
    attempts: attempts.map(({ startedAt, ...attempt }) => ({ ...attempt, startedAt: startedAt.toISOString() })),
  }
}
