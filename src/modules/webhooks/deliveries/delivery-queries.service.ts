import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { isUuid } from '#kernel/ids.js'
import { decodeCursor, type Page, toPage } from '#platform/http/page.js'
import type { Principal } from '#platform/http/principal.js'
import { noSuchWebhook } from '../webhooks.errors.js'
import { DeliveriesRepository } from './deliveries.repository.js'
import type { DeliveryListQuery, WebhookDelivery, WebhookDeliverySummary } from './deliveries.schemas.js'
import { toDelivery, toDeliverySummary } from './delivery-view.js'

/** Shows what was sent, and what came of it. */
@Injectable()
export class DeliveryQueries {
  constructor(private readonly deliveries: DeliveriesRepository) {}

  /**
   * Newest first, and stable while deliveries are added: ids grow with time.
   * @throws AppError `not_found`, the same for a deleted webhook and for another tenant's
   */
  async list(
    { tenantId }: Principal,
    webhookId: string,
    { limit, cursor, ...filter }: DeliveryListQuery,
  ): Promise<Page<WebhookDeliverySummary>> {
    if (!isUuid(webhookId)) throw noSuchWebhook()
    const after = cursor === undefined ? undefined : decodeCursor(cursor, isUuid)
    const rows = await this.deliveries.list({ tenantId, webhookId }, filter, { after, limit: limit + 1 })
    if (!rows) throw noSuchWebhook()
    return toPage(rows.map(toDeliverySummary), limit, ({ id }) => id)
  }

  /** Also of a webhook that is deleted. @throws AppError `not_found`, the same for another tenant's */
  async get({ tenantId }: Principal, id: string): Promise<WebhookDelivery> {
    const found = isUuid(id) ? await this.deliveries.read({ tenantId, id }) : null
    if (!found) throw noSuchDelivery()
    return toDelivery(found.row, found.attempts)
  }
}

export function noSuchDelivery(): AppError {
  return new AppError('not_found', 'not_found', { detail: 'There is no such delivery.' })
}
