import { randomBytes } from 'node:crypto'
import { Injectable } from '@nestjs/common'
import { newId } from '#kernel/ids.js'
import { Sealer } from '#platform/secrets/sealer.js'
import { type SealedSecret, type SecretKey, toSecretText } from './signing-secret.js'
import type { EndpointKey } from '../endpoint-key.js'

/** Standard Webhooks asks for 24 to 64 bytes. */
const KEY_BYTES = 32

/** Makes signing secrets, and opens what the database keeps of them. */
@Injectable()
export class WebhookSecrets {
  constructor(private readonly sealer: Sealer) {}

  /** @returns `text`: to be shown once, and never again */
  make(webhook: EndpointKey): { readonly row: SealedSecret; readonly text: string } {
    const key = { ...webhook, id: newId() }
    const bytes = randomBytes(KEY_BYTES)
    return { row: { ...key, sealed: this.sealer.seal(bytes, placeOf(key)) }, text: toSecretText(bytes) }
  }

  /** The key's bytes. @throws AppError `seal_unreadable` */
  open(secret: SealedSecret): Buffer {
    return this.sealer.open(secret.sealed, placeOf(secret))
  }
}

function placeOf({ tenantId, webhookId, id }: SecretKey): string {
  return `webhook_secrets/${tenantId}/${webhookId}/${id}`
}
