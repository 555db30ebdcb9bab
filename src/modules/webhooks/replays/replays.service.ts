import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { Clock } from '#kernel/clock.js'
import { isUuid, newId } from '#kernel/ids.js'
import { Database } from '#platform/database/database.js'
import { EventBus } from '#platform/events/event-bus.js'
import { Idempotency } from '#platform/http/idempotency/idempotency.service.js'
import type { Principal } from '#platform/http/principal.js'
import { noSuchWebhook, webhookInactive } from '../webhooks.errors.js'
import { toReplayWindow } from './replay-window.js'
import { ReplayJob } from './replay.job.js'
import { WebhookReplayed } from './replay.events.js'
import { toReplay } from './replay-view.js'
import { ReplaysRepository } from './replays.repository.js'
import type { ReplayWebhookCommand, WebhookReplay } from './replays.schemas.js'

/** Starts replays. What they make is the job's to make. */
@Injectable()
export class Replays {
  constructor(
    private readonly database: Database,
    private readonly replays: ReplaysRepository,
    private readonly job: ReplayJob,
    private readonly events: EventBus,
    private readonly idempotency: Idempotency,
    private readonly clock: Clock,
  ) {}

  /**
   * Returns before anything is sent.
   * @throws AppError `validation_failed` for the window; `not_found`, `webhook_inactive`; `replay_in_progress`
   */
  async start({ tenantId }: Principal, webhookId: string, command: ReplayWebhookCommand): Promise<WebhookReplay> {
    const createdAt = this.clock.now()
    const window = toReplayWindow(command, createdAt)
    if (!isUuid(webhookId)) throw noSuchWebhook()
    const key = { tenantId, webhookId }
    return this.database.transaction({ tenantId }, async (tx) => {
      const webhook = await this.replays.findWebhook(key, tx)
      if (!webhook) throw noSuchWebhook()
      if (!webhook.isActive) throw webhookInactive()
      const row = await this.replays.add({ ...key, ...window, id: newId(), createdAt }, tx)
      if (!row) throw inProgress()
      const replay = toReplay(row)
      await this.events.emit(new WebhookReplayed(tenantId, replay), tx)
      await this.idempotency.complete({ status: 202, body: replay, location: addressOf(replay) }, tx)
      tx.afterCommit(() => void this.job.work())
      return replay
    })
  }
}

export function addressOf({ id, webhookId }: WebhookReplay): string {
  return `/v1/webhooks/${webhookId}/replays/${id}`
}

function inProgress(): AppError {
  return new AppError('replay_in_progress', 'conflict', {
    detail: 'A replay of this webhook is not finished yet: one at a time.',
  })
}
