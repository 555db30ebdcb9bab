const PREFIX = 'whsec_'

export interface SecretKey {
  readonly tenantId: string
  readonly webhookId: string
  readonly id: string
}

/** A signing secret as it is stored. */
export type SealedSecret = SecretKey & { readonly sealed: Buffer }

/** A signing secret as people see it, by Standard Webhooks 1.0.0: `whsec_` and the key's bytes in base64. */
export function toSecretText(key: Buffer): string {
  return PREFIX + key.toString('base64')
}
