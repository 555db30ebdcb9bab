import { Injectable } from '@nestjs/common'
import type { Tx } from '#platform/database/tx.js'
import type { DisabledReason } from '../disabled-reason.js'

@Injectable()
export class EndpointDisablingRepository {
  /** @returns false when it was off already */
  async disable(
    { tenantId, webhookId }: { tenantId: string; webhookId: string },
    reason: DisabledReason,
    tx: Tx,
  ): Promise<boolean> {
    const changed = await tx.execute({
      text: `UPDATE webhooks SET is_active = false, disabled_reason = $3, disabled_at = now(), updated_at = now()
              WHERE tenant_id = $1 AND id = $2 AND is_active`,
      values: [tenantId, webhookId, reason],
    })
    return changed === 1
  }
}
