import { Injectable } from '@nestjs/common'
import { Database } from '#platform/database/database.js'
import { EventBus } from '#platform/events/event-bus.js'
import { Idempotency } from '#platform/http/idempotency/idempotency.service.js'
import { WebhookDrafts } from './webhook-drafts.service.js'
import { WebhookCreated } from './webhook-changes.events.js'
import { WebhookKeyring } from './webhook-keyring.service.js'
import { WebhooksRepository } from './webhooks.repository.js'
import { addressOf, type CreateWebhookCommand, type WebhookWithSecret } from './webhooks.schemas.js'

const CREATED = 201

/** Adds endpoints. The secret is in the answer and, sealed, in the database. */
@Injectable()
export class WebhookCreation {
  constructor(
    private readonly database: Database,
    private readonly repository: WebhooksRepository,
    private readonly drafts: WebhookDrafts,
    private readonly keyring: WebhookKeyring,
    private readonly events: EventBus,
    private readonly idempotency: Idempotency,
  ) {}

  /** @throws AppError `validation_failed`, for one more than a tenant may have, too */
  async create(tenantId: string, command: CreateWebhookCommand): Promise<WebhookWithSecret> {
    const webhook = this.drafts.create(tenantId, command)
    return this.database.transaction({ tenantId }, async (tx) => {
      this.drafts.assertRoom(await this.repository.countForAdding(tenantId, tx))
      await this.repository.add(webhook, tx)
      const created = await this.keyring.addSecret(webhook, tx)
      await this.events.emit(new WebhookCreated(webhook), tx)
      await this.idempotency.complete({ status: CREATED, body: created, location: addressOf(created) }, tx)
      return created
    })
  }
}
