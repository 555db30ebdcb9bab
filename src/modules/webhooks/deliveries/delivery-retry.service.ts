import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { isUuid } from '#kernel/ids.js'
import { Database } from '#platform/database/database.js'
import { EventBus } from '#platform/events/event-bus.js'
import { Idempotency } from '#platform/http/idempotency/idempotency.service.js'
import type { Principal } from '#platform/http/principal.js'
import { webhookInactive } from '../webhooks.errors.js'
import { DeliveriesRepository } from './deliveries.repository.js'
import type { WebhookDeliverySummary } from './deliveries.schemas.js'
import { DeliveryBell } from './delivery-bell.service.js'
import { noSuchDelivery } from './delivery-queries.service.js'
import { toDeliverySummary } from './delivery-view.js'
import { WebhookDeliveryRetried } from './delivery.events.js'

/** Has one delivery sent again, whatever came of it. */
@Injectable()
export class DeliveryRetry {
  constructor(
    private readonly database: Database,
    private readonly deliveries: DeliveriesRepository,
    private readonly bell: DeliveryBell,
    private readonly events: EventBus,
    private readonly idempotency: Idempotency,
  ) {}

  /**
   * Its attempts go on counting: where they have used up the schedule, this is one more and no new schedule.
   * @throws AppError `not_found`, `webhook_inactive`, `delivery_in_progress`
   */
  async retry({ tenantId }: Principal, id: string): Promise<WebhookDeliverySummary> {
    if (!isUuid(id)) throw noSuchDelivery()
    return this.database.transaction({ tenantId }, async (tx) => {
      const held = await this.deliveries.hold({ tenantId, id }, tx)
      if (!held) throw noSuchDelivery()
      if (!held.isWebhookActive) throw webhookInactive()
      if (held.isClaimed) throw inProgress()
      const delivery = toDeliverySummary(await this.deliveries.makeDue({ tenantId, id }, tx))
      await this.bell.ring(tenantId, tx)
      await this.events.emit(new WebhookDeliveryRetried({ tenantId, id, ...held }), tx)
      await this.idempotency.complete({ status: 202, body: delivery }, tx)
      return delivery
    })
  }
}

function inProgress(): AppError {
  return new AppError('delivery_in_progress', 'conflict', { detail: 'This delivery is being sent at this moment.' })
}
