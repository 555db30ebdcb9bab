import { Injectable } from '@nestjs/common'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import { EventBus } from '#platform/events/event-bus.js'
import { DeliveryBell } from '../deliveries/delivery-bell.service.js'
import { noSuchWebhook } from '../webhooks.errors.js'
import type { WebhookKey, WebhookRecord } from './webhook.js'
import { WebhookChanged, WebhookDeleted } from './webhook-changes.events.js'
import { WebhookDrafts } from './webhook-drafts.service.js'
import { WebhookKeyring } from './webhook-keyring.service.js'
import { toWebhook } from './webhook-view.js'
import { WebhooksRepository } from './webhooks.repository.js'
import type { ChangeWebhookCommand, Webhook } from './webhooks.schemas.js'

/** Changes and deletes endpoints. */
@Injectable()
export class WebhookChanges {
  constructor(
    private readonly database: Database,
    private readonly repository: WebhooksRepository,
    private readonly drafts: WebhookDrafts,
    private readonly keyring: WebhookKeyring,
    private readonly events: EventBus,
    private readonly bell: DeliveryBell,
  ) {}

  /** @throws AppError `not_found`, `validation_failed` */
  async change(tenantId: string, id: string, command: ChangeWebhookCommand): Promise<Webhook> {
    return this.database.transaction({ tenantId }, async (tx) => {
      const before = await this.getForChange({ tenantId, id }, tx)
      const after = this.drafts.change(before, command)
      if (after) await this.write(before, after, tx)
      return this.show(before, tx)
    })
  }

  /** Its secrets go, its deliveries stay. @throws AppError `not_found` */
  async delete(tenantId: string, id: string): Promise<void> {
    await this.database.transaction({ tenantId }, async (tx) => {
      const webhook = await this.getForChange({ tenantId, id }, tx)
      await this.repository.delete(webhook, tx)
      await this.keyring.revokeAll(webhook, tx)
      await this.events.emit(new WebhookDeleted(webhook), tx)
    })
  }

  private async write(before: WebhookRecord, after: WebhookRecord, tx: Tx): Promise<void> {
    await this.repository.update(after, tx)
    // How another receiver has failed says nothing of this one.
    const isAnother = !before.isActive || before.url !== after.url
    if (after.isActive && isAnother) await this.repository.startAfresh(after, tx)
    // A higher pace, too, makes due what was not.
    if (after.isActive) await this.bell.ring(after.tenantId, tx)
    await this.events.emit(new WebhookChanged(before, after), tx)
  }

  private async getForChange(key: WebhookKey, tx: Tx): Promise<WebhookRecord> {
    const webhook = await this.repository.findForChange(key, tx)
    if (!webhook) throw noSuchWebhook()
    return webhook
  }

  private async show(key: WebhookKey, tx: Tx): Promise<Webhook> {
    const row = await this.repository.findRow(key, tx)
    if (!row) throw noSuchWebhook()
    return toWebhook(row)
  }
}
