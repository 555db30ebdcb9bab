import { Injectable } from '@nestjs/common'
import { Database } from '#platform/database/database.js'
import { EventBus } from '#platform/events/event-bus.js'
import type { DisabledReason } from '../disabled-reason.js'
import { WebhookDisabled } from '../webhook.events.js'
import { EndpointDisablingRepository } from './endpoint-disabling.repository.js'

/** Switches endpoints off that nobody is behind any more; a person switches them on again. */
@Injectable()
export class EndpointDisabling {
  constructor(
    private readonly database: Database,
    private readonly endpoints: EndpointDisablingRepository,
    private readonly events: EventBus,
  ) {}

  /** Nothing where it is off already. */
  async disable(
    { tenantId, webhookId }: { tenantId: string; webhookId: string },
    reason: DisabledReason,
  ): Promise<void> {
    await this.database.workers.transaction({ tenantId }, async (tx) => {
      if (!(await this.endpoints.disable({ tenantId, webhookId }, reason, tx))) return
      await this.events.emit(new WebhookDisabled(tenantId, webhookId, reason), tx)
    })
  }
}
