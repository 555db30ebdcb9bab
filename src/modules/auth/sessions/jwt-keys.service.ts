import { createSecretKey, type KeyObject } from 'node:crypto'
import { Injectable } from '@nestjs/common'
import { AppConfig } from '#platform/config/app-config.js'

const KEY_ID_BYTES = 9

interface JwtKey {
  readonly id: string
  readonly key: KeyObject
}

/** The keys that access tokens are checked with, by `kid` (RFC 7515 §4.1.4): today's, which signs, and earlier ones. */
@Injectable()
export class JwtKeys {
  readonly current: JwtKey
  private readonly byId: ReadonlyMap<string, KeyObject>

  constructor(config: AppConfig) {
    const secrets = [config.jwtSecret, ...(config.settings.JWT_PREVIOUS_SECRETS ?? [])]
    const keys = secrets.map((secret) => ({
      // Derived, so that it tells nothing of the secret, and every replica and every start gives the same.
      id: config.deriveKey('jwt-key-id', secret).subarray(0, KEY_ID_BYTES).toString('base64url'),
      key: createSecretKey(secret, 'utf8'),
    }))
    const [current] = keys
    if (!current) throw new Error('there is no key to sign access tokens with')
    this.current = current
    this.byId = new Map(keys.map(({ id, key }) => [id, key]))
  }

  find(id: string): KeyObject | undefined {
    return this.byId.get(id)
  }
}
