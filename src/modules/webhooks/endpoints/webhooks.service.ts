import { Injectable } from '@nestjs/common'
import { isUuid } from '#kernel/ids.js'
import { decodeCursor, type Page, toPage } from '#platform/http/page.js'
import { noSuchWebhook } from '../webhooks.errors.js'
import { toWebhook } from './webhook-view.js'
import { WebhooksRepository } from './webhooks.repository.js'
import type { Webhook, WebhookListQuery } from './webhooks.schemas.js'

/** A tenant's endpoints, for those who look at them. */
@Injectable()
export class Webhooks {
  constructor(private readonly repository: WebhooksRepository) {}

  /** Newest first. */
  async list(tenantId: string, { limit, cursor }: WebhookListQuery): Promise<Page<Webhook>> {
    const after = cursor === undefined ? undefined : decodeCursor(cursor, isUuid)
    const rows = await this.repository.list(tenantId, { after, limit: limit + 1 })
    return toPage(rows.map(toWebhook), limit, ({ id }) => id)
  }

  /** @throws AppError `not_found` */
  async get(tenantId: string, id: string): Promise<Webhook> {
    const row = await this.repository.readRow({ tenantId, id })
    if (!row) throw noSuchWebhook()
    return toWebhook(row)
  }
}
