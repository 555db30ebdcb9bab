import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { AppConfig } from '#platform/config/app-config.js'
import type { Tx } from '#platform/database/tx.js'
import { noSuchWebhook } from '../webhooks.errors.js'
import type { WebhookKey } from './webhook.js'
import { WebhookSecretsRepository } from './webhook-secrets.repository.js'
import { WebhookSecrets } from './webhook-secrets.service.js'
import { toWebhook } from './webhook-view.js'
import { WebhooksRepository } from './webhooks.repository.js'
import type { WebhookWithSecret } from './webhooks.schemas.js'

/** Each of them is a signature in every request: receivers' limits on headers must never be met. */
const MAX_PREVIOUS_SECRETS = 10

/** Which secrets an endpoint signs with. All of it under the endpoint's lock, or in the transaction that adds it. */
@Injectable()
export class WebhookKeyring {
  constructor(
    private readonly repository: WebhooksRepository,
    private readonly rows: WebhookSecretsRepository,
    private readonly secrets: WebhookSecrets,
    private readonly config: AppConfig,
  ) {}

  /** Makes a secret the current one. @returns the endpoint as it is now, and the secret in clear */
  async addSecret({ tenantId, id }: WebhookKey, tx: Tx): Promise<WebhookWithSecret> {
    const { row: sealed, text: secret } = this.secrets.make({ tenantId, webhookId: id })
    await this.rows.add(sealed, tx)
    const row = await this.repository.findRow({ tenantId, id }, tx)
    if (!row) throw noSuchWebhook()
    return { ...toWebhook(row), secret }
  }

  /** The current secret signs on for a while beside the one that is to come. @throws AppError `secret_limit_reached` */
  async supersede(webhook: WebhookKey, tx: Tx): Promise<void> {
    const { count, firstExpiresAt } = await this.rows.prune(webhook, tx)
    if (count >= MAX_PREVIOUS_SECRETS) {
      throw new AppError('secret_limit_reached', 'conflict', {
        detail:
          `${count} earlier secrets still sign. Rotate again after ${firstExpiresAt?.toISOString()}, when the first of them ` +
          'expires, or with revokePrevious, which ends them all.',
      })
    }
    await this.rows.supersede(webhook, this.config.settings.WEBHOOK_SECRET_OVERLAP_HOURS, tx)
  }

  /** None of them signs from now on. */
  async revokeAll(webhook: WebhookKey, tx: Tx): Promise<void> {
    await this.rows.deleteOf(webhook, tx)
  }
}
