const PREFIX = 'whsec_'

/** A signing secret as people see it, by Standard Webhooks 1.0.0: `whsec_` and the key's bytes in base64. */
export function toSecretText(key: Buffer): string {
  return PREFIX + key.toString('base64')
}
