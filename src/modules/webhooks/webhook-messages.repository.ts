import { Injectable } from '@nestjs/common'
import type { Tx } from '#platform/database/tx.js'
import type { Message } from './message.js'

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
}
