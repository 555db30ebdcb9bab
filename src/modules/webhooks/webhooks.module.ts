import { Module } from '@nestjs/common'
import { WebhookFanOut } from './fan-out.subscriber.js'
import { WebhookMessagesRepository } from './webhook-messages.repository.js'

@Module({
  providers: [WebhookFanOut, WebhookMessagesRepository],
})
export class WebhooksModule {}
