import { Injectable } from '@nestjs/common'
import type { Tx } from '#platform/database/tx.js'
import type { SealedSecret } from './signing-secret.js'
import type { WebhookKey } from './webhook.js'

export interface PreviousSecrets {
  readonly count: number
  /** When the first of them expires; null: there are none. */
  readonly firstExpiresAt: Date | null
}

/** Signing secrets, sealed. Times are the database's, so that replicas agree on what has expired. Lock the endpoint before. */
@Injectable()
export class WebhookSecretsRepository {
  /** As the current one: that before must have been superseded. */
  async add({ tenantId, webhookId, id, sealed }: SealedSecret, tx: Tx): Promise<void> {
    await tx.execute({
      text: 'INSERT INTO webhook_secrets (tenant_id, webhook_id, id, sealed, created_at) VALUES ($1, $2, $3, $4, now())',
      values: [tenantId, webhookId, id, sealed],
    })
  }

  /** Removes those that have expired, and tells how many sign beside the current one. */
  async prune({ tenantId, id }: WebhookKey, tx: Tx): Promise<PreviousSecrets> {
    await tx.execute({
      text: 'DELETE FROM webhook_secrets WHERE tenant_id = $1 AND webhook_id = $2 AND expires_at <= now()',
      values: [tenantId, id],
    })
    const rows = await tx.query<PreviousSecrets>({
      text: `SELECT count(expires_at)::integer AS count, min(expires_at) AS "firstExpiresAt"
               FROM webhook_secrets WHERE tenant_id = $1 AND webhook_id = $2`,
      values: [tenantId, id],
    })
    return rows[0] ?? { count: 0, firstExpiresAt: null }
  }

  /** The current one signs for so long yet, beside the one that comes. */
  async supersede({ tenantId, id }: WebhookKey, overlapHours: number, tx: Tx): Promise<void> {
    await tx.execute({
      text: `UPDATE webhook_secrets SET expires_at = now() + make_interval(hours => $3)
              WHERE tenant_id = $1 AND webhook_id = $2 AND expires_at IS NULL`,
      values: [tenantId, id, overlapHours],
    })
  }

  async deleteOf({ tenantId, id }: WebhookKey, tx: Tx): Promise<void> {
    await tx.execute({
      text: 'DELETE FROM webhook_secrets WHERE tenant_id = $1 AND webhook_id = $2',
      values: [tenantId, id],
    })
  }
}
