import { invalidField } from '#kernel/app-error.js'
import type { DeliveryStatus } from '../deliveries/delivery-status.js'
import type { ReplayWebhookCommand } from './replays.schemas.js'

/** Which deliveries of a webhook are meant, by when they were created. */
export interface ReplayWindow {
  readonly since: Date
  /** Not included; never in the future, so that a replay cannot come to what it has made itself. */
  readonly until: Date
  /** Null: all. */
  readonly status: DeliveryStatus | null
}

/** @throws AppError `validation_failed` for a window that holds no moment, or none yet */
export function toReplayWindow({ since, until, status }: ReplayWebhookCommand, now: Date): ReplayWindow {
  // Nothing is older than the epoch, and years before 0 are no dates of the contract's.
  const from = new Date(Math.max(0, Date.parse(since)))
  const to = until === undefined ? now : new Date(Math.min(now.getTime(), Date.parse(until)))
  if (from >= now) throw invalidField('/since', 'must be in the past')
  if (from >= to) throw invalidField('/until', 'must be after since')
  return { since: from, until: to, status: status ?? null }
}
