import { Injectable } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { AppConfig } from '#platform/config/app-config.js'
import type { SealedSecret } from '../endpoints/signing-secret.js'
import { WebhookSecrets } from '../endpoints/webhook-secrets.service.js'
import type { ClaimedDelivery, DeliveryTarget } from './attempt.js'
import { DeliveryQueueRepository } from './delivery-queue.repository.js'
import type { EndpointKey } from '../endpoint-key.js'

/** How much longer than a request a claim lasts: what was sent has to be written down, too. */
const CLAIM_MARGIN_MS = 5000
/** In {@link Batch.nextLookMs}: only a bell, or a sweep, has a reason to look again. */
export const NOTHING_WAITS = Infinity

export interface Batch {
  readonly deliveries: readonly ClaimedDelivery[]
  readonly target: DeliveryTarget
  /** Until there may be more; 0: there may be now. */
  readonly nextLookMs: number
  /** Until the endpoint may be sent anything at all; 0: now. Null: it is switched off. */
  readonly blockedMs: number | null
  /** It is blocked by a pause, and not by its pace. */
  readonly isPaused: boolean
}

/** Takes what is due of an endpoint for this replica, with all that it takes to send it. */
@Injectable()
export class DeliveryClaims {
  private readonly maxInFlight: number
  private readonly claimMs: number

  constructor(
    { settings }: AppConfig,
    private readonly queue: DeliveryQueueRepository,
    private readonly secrets: WebhookSecrets,
    private readonly logger: PinoLogger,
  ) {
    logger.setContext(DeliveryClaims.name)
    this.maxInFlight = settings.WEBHOOK_ENDPOINT_CONCURRENCY
    this.claimMs = settings.WEBHOOK_TIMEOUT_MS + CLAIM_MARGIN_MS
  }

  async claim({ tenantId, webhookId }: EndpointKey, limit: number): Promise<Batch> {
    const { maxInFlight, claimMs } = this
    const claimed = await this.queue.claim({ tenantId, webhookId, limit, maxInFlight, claimMs })
    const { deliveries, url, secrets, nextDueMs, blockedMs, isPaused } = claimed
    return {
      deliveries,
      target: { url: url ?? '', keys: deliveries.length > 0 ? this.open(secrets) : [] },
      nextLookMs: nextDueMs === null ? NOTHING_WAITS : Math.max(nextDueMs, blockedMs ?? 0),
      blockedMs,
      isPaused,
    }
  }

  /** Those that can be read: an old one must not keep the current one from signing. */
  private open(secrets: readonly SealedSecret[]): Buffer[] {
    return secrets.flatMap((secret) => {
      try {
        return [this.secrets.open(secret)]
      } catch (error) {
        this.logger.warn(
          { err: error, event: 'webhook_secret_unreadable', secretId: secret.id },
          'webhook_secret_unreadable',
        )
        return []
      }
    })
  }
}
