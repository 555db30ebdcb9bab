import { Module } from '@nestjs/common'
import { EventCatalogue } from './catalogue/event-catalogue.service.js'
import { EventTypesController } from './catalogue/event-types.controller.js'
import { DeliveriesController } from './deliveries/deliveries.controller.js'
import { DeliveriesRepository } from './deliveries/deliveries.repository.js'
import { DeliveryBell } from './deliveries/delivery-bell.service.js'
import { DeliveryClaims } from './deliveries/delivery-claims.service.js'
import { DeliveryDispatcher } from './deliveries/delivery-dispatcher.job.js'
import { deliveryMetricsProviders } from './deliveries/delivery-metrics.service.js'
import { DeliveryOutcomesRepository } from './deliveries/delivery-outcomes.repository.js'
import { DeliveryOutcomes } from './deliveries/delivery-outcomes.service.js'
import { DeliveryQueries } from './deliveries/delivery-queries.service.js'
import { DeliveryQueueRepository } from './deliveries/delivery-queue.repository.js'
import { DeliveryRetry } from './deliveries/delivery-retry.service.js'
import { DeliverySender } from './deliveries/delivery-sender.service.js'
import { DeliveryWorker } from './deliveries/delivery-worker.service.js'
import { WebhookActionsController } from './endpoints/webhook-actions.controller.js'
import { WebhookChanges } from './endpoints/webhook-changes.service.js'
import { WebhookCreation } from './endpoints/webhook-creation.service.js'
import { WebhookDisabling } from './endpoints/webhook-disabling.service.js'
import { WebhookDrafts } from './endpoints/webhook-drafts.service.js'
import { WebhookKeyring } from './endpoints/webhook-keyring.service.js'
import { WebhookRotation } from './endpoints/webhook-rotation.service.js'
import { WebhookSecretsRepository } from './endpoints/webhook-secrets.repository.js'
import { WebhookSecrets } from './endpoints/webhook-secrets.service.js'
import { WebhookTests } from './endpoints/webhook-tests.service.js'
import { WebhookUrls } from './endpoints/webhook-urls.service.js'
import { WebhooksController } from './endpoints/webhooks.controller.js'
import { WebhooksRepository } from './endpoints/webhooks.repository.js'
import { Webhooks } from './endpoints/webhooks.service.js'
import { WebhookFanOut } from './fan-out.subscriber.js'
import { ReplayBatchesRepository } from './replays/replay-batches.repository.js'
import { ReplayQueries } from './replays/replay-queries.service.js'
import { ReplayJob } from './replays/replay.job.js'
import { ReplaysController } from './replays/replays.controller.js'
import { ReplaysRepository } from './replays/replays.repository.js'
import { Replays } from './replays/replays.service.js'
import { MessageRetention } from './retention/message-retention.job.js'
import { MessageRetentionRepository } from './retention/message-retention.repository.js'
import { WebhookMessagesRepository } from './webhook-messages.repository.js'

@Module({
  controllers: [
    DeliveriesController,
    EventTypesController,
    ReplaysController,
    WebhookActionsController,
    WebhooksController,
  ],
  providers: [
    DeliveriesRepository,
    DeliveryBell,
    DeliveryClaims,
    DeliveryDispatcher,
    DeliveryOutcomes,
    DeliveryOutcomesRepository,
    DeliveryQueries,
    DeliveryQueueRepository,
    DeliveryRetry,
    DeliverySender,
    DeliveryWorker,
    EventCatalogue,
    MessageRetention,
    MessageRetentionRepository,
    ReplayBatchesRepository,
    ReplayJob,
    ReplayQueries,
    Replays,
    ReplaysRepository,
    WebhookChanges,
    WebhookCreation,
    WebhookDisabling,
    WebhookDrafts,
    WebhookFanOut,
    WebhookKeyring,
    WebhookMessagesRepository,
    WebhookRotation,
    WebhookSecrets,
    WebhookSecretsRepository,
    WebhookTests,
    WebhookUrls,
    Webhooks,
    WebhooksRepository,
    ...deliveryMetricsProviders,
  ],
})
export class WebhooksModule {}
