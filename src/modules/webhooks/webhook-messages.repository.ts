import { Injectable } from '@nestjs/common'
import { newId } from '#kernel/ids.js'
import type { Tx } from '#platform/database/tx.js'
import type { Message } from './message.js'
import type { EndpointKey } from './endpoint-key.js'

/** What there is to tell, and to whom. */
@Injectable()
export class WebhookMessagesRepository {
  /** Writes the message down with a delivery for each endpoint that wants it; nothing where none does. One statement. */
  async fanOut({ id, type, body, occurredAt }: Message, tx: Tx): Promise<void> {
    await tx.query({
      name: 'webhook_fan_out',
      text: 'SELECT webhook_fan_out($1, $2, $3, $4)',
      values: [id, type, body, occurredAt],
    })
  }

  /** For one endpoint alone, whatever it listens to. Ring the bell in the same transaction. @returns the delivery's id */
  async addFor({ tenantId, webhookId }: EndpointKey, { id, type, body, occurredAt }: Message, tx: Tx): Promise<string> {
    const deliveryId = newId()
    await tx.execute({
      text: `WITH told AS (
               INSERT INTO webhook_messages (tenant_id, id, type, body, created_at) VALUES ($1, $2, $3, $4, $5)
             )
             INSERT INTO webhook_deliveries (tenant_id, id, webhook_id, message_id, event_type, status, next_retry_at, created_at)
             VALUES ($1, $6, $7, $2, $3, 'pending', now(), $5)`,
      values: [tenantId, id, type, body, occurredAt, deliveryId, webhookId],
    })
    return deliveryId
  }
}
