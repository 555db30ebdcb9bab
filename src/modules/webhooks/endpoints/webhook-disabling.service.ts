import { Injectable } from '@nestjs/common'
import { Database } from '#platform/database/database.js'
import { EventBus } from '#platform/events/event-bus.js'
import type { DisabledReason } from '../disabled-reason.js'
import { WebhookDisabled } from '../webhook.events.js'
import type { WebhookKey } from './webhook.js'
import { WebhooksRepository } from './webhooks.repository.js'

/** Switches endpoints off that nobody is behind any more; a person switches them on again. */
@Injectable()
export class WebhookDisabling {
  constructor(
    private readonly database: Database,
    private readonly webhooks: WebhooksRepository,
    private readonly events: EventBus,
  ) {}

  /** Nothing where it is off already. */
  async disable(webhook: WebhookKey, reason: DisabledReason): Promise<void> {
    const { tenantId, id } = webhook
    await this.database.workers.transaction({ tenantId }, async (tx) => {
      if (!(await this.webhooks.disable(webhook, reason, tx))) return
      await this.events.emit(new WebhookDisabled(tenantId, id, reason), tx)
    })
  }
}
