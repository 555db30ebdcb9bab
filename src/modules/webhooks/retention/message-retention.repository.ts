import { Injectable } from '@nestjs/common'
import { Database } from '#platform/database/database.js'

/** Removes messages that have been kept long enough. */
@Injectable()
export class MessageRetentionRepository {
  constructor(private readonly database: Database) {}

  /** The oldest of all tenants', with their deliveries and attempts, also those that still wait. @returns how many messages */
  deleteOld({ days, limit }: { days: number; limit: number }): Promise<number> {
    return this.database.workers.transaction({ purpose: 'webhooks.retention' }, (tx) =>
      tx.execute({
        text: `DELETE FROM webhook_messages WHERE (tenant_id, id) IN
                 (SELECT tenant_id, id FROM webhook_messages WHERE created_at < now() - $1 * interval '1 day'
                   ORDER BY created_at LIMIT $2)`,
        values: [days, limit],
      }),
    )
  }
}
