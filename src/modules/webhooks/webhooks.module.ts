import { Module } from '@nestjs/common'
import { DeliveryBell } from './deliveries/delivery-bell.service.js'
import { DeliveryClaims } from './deliveries/delivery-claims.service.js'
import { DeliveryDispatcher } from './deliveries/delivery-dispatcher.job.js'
import { deliveryMetricsProviders } from './deliveries/delivery-metrics.service.js'
import { DeliveryOutcomesRepository } from './deliveries/delivery-outcomes.repository.js'
import { DeliveryOutcomes } from './deliveries/delivery-outcomes.service.js'
import { DeliveryQueueRepository } from './deliveries/delivery-queue.repository.js'
import { DeliverySender } from './deliveries/delivery-sender.service.js'
import { DeliveryWorker } from './deliveries/delivery-worker.service.js'
import { EndpointDisablingRepository } from './endpoints/endpoint-disabling.repository.js'
import { EndpointDisabling } from './endpoints/endpoint-disabling.service.js'
import { WebhookSecrets } from './endpoints/webhook-secrets.service.js'
import { WebhookFanOut } from './fan-out.subscriber.js'
import { WebhookMessagesRepository } from './webhook-messages.repository.js'

@Module({
  providers: [
    DeliveryBell,
    DeliveryClaims,
    DeliveryDispatcher,
    DeliveryOutcomes,
    DeliveryOutcomesRepository,
    DeliveryQueueRepository,
    DeliverySender,
    DeliveryWorker,
    EndpointDisabling,
    EndpointDisablingRepository,
    WebhookFanOut,
    WebhookMessagesRepository,
    WebhookSecrets,
    ...deliveryMetricsProviders,
  ],
})
export class WebhooksModule {}
