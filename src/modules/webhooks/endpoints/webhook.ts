import type { DisabledReason } from '../disabled-reason.js'

export interface WebhookKey {
  readonly tenantId: string
  readonly id: string
}

/** What its owner says of an endpoint. */
export interface WebhookSettings {
  readonly url: string
  readonly description: string | null
  /** As they were given: `run.completed`, `run.*`, `*`. */
  readonly events: readonly string[]
  readonly isActive: boolean
  /** Deliveries a second; null: no limit. */
  readonly maxPerSecond: number | null
}

/** Where a tenant wants to be told of events. */
export interface WebhookRecord extends WebhookKey, WebhookSettings {
  /** Why it was switched off by itself; null: it was not. */
  readonly disabledReason: DisabledReason | null
  readonly disabledAt: Date | null
  readonly createdAt: Date
  readonly updatedAt: Date
}
