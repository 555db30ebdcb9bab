import { Module } from '@nestjs/common'
import { DeliveriesController } from './deliveries/deliveries.controller.js'
import { DeliveriesRepository } from './deliveries/deliveries.repository.js'
import { DeliveryBell } from './deliveries/delivery-bell.service.js'
import { DeliveryQueries } from './deliveries/delivery-queries.service.js'
import { DeliveryRetry } from './deliveries/delivery-retry.service.js'
import { WebhookSecrets } from './endpoints/webhook-secrets.service.js'
import { WebhookFanOut } from './fan-out.subscriber.js'
import { ReplayBatchesRepository } from './replays/replay-batches.repository.js'
import { ReplayJob } from './replays/replay.job.js'
import { ReplayQueries } from './replays/replay-queries.service.js'
import { ReplaysController } from './replays/replays.controller.js'
import { ReplaysRepository } from './replays/replays.repository.js'
import { Replays } from './replays/replays.service.js'
import { MessageRetention } from './retention/message-retention.job.js'
import { MessageRetentionRepository } from './retention/message-retention.repository.js'
import { WebhookMessagesRepository } from './webhook-messages.repository.js'

@Module({
  controllers: [DeliveriesController, ReplaysController],
  providers: [
    DeliveriesRepository,
    DeliveryBell,
    DeliveryQueries,
    DeliveryRetry,
    MessageRetention,
    MessageRetentionRepository,
    ReplayBatchesRepository,
    ReplayJob,
    ReplayQueries,
    Replays,
    ReplaysRepository,
    WebhookFanOut,
    WebhookMessagesRepository,
    WebhookSecrets,
  ],
})
export class WebhooksModule {}
