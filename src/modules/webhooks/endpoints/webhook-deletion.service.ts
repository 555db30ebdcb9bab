import { Injectable } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { Database } from '#platform/database/database.js'
import { EventBus } from '#platform/events/event-bus.js'
import { DeliveryQueueRepository } from '../deliveries/delivery-queue.repository.js'
import { noSuchWebhook } from '../webhooks.errors.js'
import { WebhookDeleted } from './webhook-changes.events.js'
import { WebhookKeyring } from './webhook-keyring.service.js'
import { WebhooksRepository } from './webhooks.repository.js'

/** Deletes endpoints. */
@Injectable()
export class WebhookDeletion {
  constructor(
    private readonly database: Database,
    private readonly repository: WebhooksRepository,
    private readonly keyring: WebhookKeyring,
    private readonly queue: DeliveryQueueRepository,
    private readonly events: EventBus,
    private readonly logger: PinoLogger,
  ) {
    logger.setContext(WebhookDeletion.name)
  }

  /** Its secrets go, its deliveries stay; what waits is ended afterwards. @throws AppError `not_found` */
  async delete(tenantId: string, id: string): Promise<void> {
    await this.database.transaction({ tenantId }, async (tx) => {
      const webhook = await this.repository.findForChange({ tenantId, id }, tx)
      if (!webhook) throw noSuchWebhook()
      await this.repository.delete(webhook, tx)
      await this.keyring.revokeAll(webhook, tx)
      await this.events.emit(new WebhookDeleted(webhook), tx)
    })
    void this.endDeliveries(tenantId, id)
  }

  /** There may be any number. What is missed here, the dispatcher ends when it is due. */
  private async endDeliveries(tenantId: string, webhookId: string): Promise<void> {
    await this.queue.closeDeleted({ tenantId, webhookId }).catch((error: unknown) => {
      this.logger.warn({ err: error, event: 'webhook_close_failed', webhookId }, 'webhook_close_failed')
    })
  }
}
