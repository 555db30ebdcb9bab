import { Module } from '@nestjs/common'
import { DeliveryBell } from './deliveries/delivery-bell.service.js'
import { WebhookSecrets } from './endpoints/webhook-secrets.service.js'
import { WebhookFanOut } from './fan-out.subscriber.js'
import { WebhookMessagesRepository } from './webhook-messages.repository.js'

@Module({
  providers: [DeliveryBell, WebhookFanOut, WebhookMessagesRepository, WebhookSecrets],
})
export class WebhooksModule {}
