import { Injectable } from '@nestjs/common'
import { Database } from '#platform/database/database.js'
import { EventBus } from '#platform/events/event-bus.js'
import { Idempotency } from '#platform/http/idempotency/idempotency.service.js'
import { noSuchWebhook } from '../webhooks.errors.js'
import { WebhookSecretRotated } from './webhook-changes.events.js'
import { WebhookKeyring } from './webhook-keyring.service.js'
import { WebhooksRepository } from './webhooks.repository.js'
import type { RotateSecretCommand, WebhookWithSecret } from './webhooks.schemas.js'

const OK = 200

/** Gives endpoints a new secret. */
@Injectable()
export class WebhookRotation {
  constructor(
    private readonly database: Database,
    private readonly repository: WebhooksRepository,
    private readonly keyring: WebhookKeyring,
    private readonly events: EventBus,
    private readonly idempotency: Idempotency,
  ) {}

  /** @throws AppError `not_found`, `secret_limit_reached` */
  async rotate(tenantId: string, id: string, command: RotateSecretCommand): Promise<WebhookWithSecret> {
    const arePreviousRevoked = command?.revokePrevious ?? false
    return this.database.transaction({ tenantId }, async (tx) => {
      const webhook = await this.repository.findForChange({ tenantId, id }, tx)
      if (!webhook) throw noSuchWebhook()
      if (arePreviousRevoked) await this.keyring.revokeAll(webhook, tx)
      else await this.keyring.supersede(webhook, tx)
      const rotated = await this.keyring.addSecret(webhook, tx)
      await this.events.emit(new WebhookSecretRotated(webhook, { arePreviousRevoked }), tx)
      await this.idempotency.complete({ status: OK, body: rotated }, tx)
      return rotated
    })
  }
}
