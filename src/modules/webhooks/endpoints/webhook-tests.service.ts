import { Injectable } from '@nestjs/common'
import { Clock } from '#kernel/clock.js'
import { Database } from '#platform/database/database.js'
import { Idempotency } from '#platform/http/idempotency/idempotency.service.js'
import { EVENT_TYPES, TEST_EVENT } from '../catalogue/event-types.js'
import { DeliveryBell } from '../deliveries/delivery-bell.service.js'
import { type Message, toMessage } from '../message.js'
import { WebhookMessagesRepository } from '../webhook-messages.repository.js'
import { noSuchWebhook, webhookInactive } from '../webhooks.errors.js'
import { WebhooksRepository } from './webhooks.repository.js'
import type { SentTest, TestWebhookCommand } from './webhooks.schemas.js'

const ACCEPTED = 202

/** Sends an endpoint an event that has not happened. It is delivered, and tried again, like any other. */
@Injectable()
export class WebhookTests {
  constructor(
    private readonly database: Database,
    private readonly repository: WebhooksRepository,
    private readonly messages: WebhookMessagesRepository,
    private readonly bell: DeliveryBell,
    private readonly idempotency: Idempotency,
    private readonly clock: Clock,
  ) {}

  /** @throws AppError `not_found`, `webhook_inactive` */
  async send(tenantId: string, id: string, command: TestWebhookCommand): Promise<SentTest> {
    return this.database.transaction({ tenantId }, async (tx) => {
      const webhook = await this.repository.findForChange({ tenantId, id }, tx)
      if (!webhook) throw noSuchWebhook()
      if (!webhook.isActive) throw webhookInactive()
      const message = this.compose(webhook.id, command?.type)
      const deliveryId = await this.messages.addFor({ tenantId, webhookId: webhook.id }, message, tx)
      await this.bell.ring(tenantId, tx)
      const sent = { deliveryId, messageId: message.id }
      await this.idempotency.complete({ status: ACCEPTED, body: sent }, tx)
      return sent
    })
  }

  private compose(webhookId: string, type: string | undefined): Message {
    const event = EVENT_TYPES.find((candidate) => candidate.type === type) ?? TEST_EVENT
    const data = event.type === TEST_EVENT.type ? { webhookId } : event.example
    return toMessage(event.type, data, this.clock.now())
  }
}
