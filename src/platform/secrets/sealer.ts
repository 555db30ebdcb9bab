import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { Injectable } from '@nestjs/common'
import { AppConfig } from '../config/app-config.js'

const ALGORITHM = 'aes-256-gcm'
const IV_BYTES = 12
const TAG_BYTES = 16

/**
 * Keeps a secret out of a table that it must wait in: AES-256-GCM under a key of its own for each purpose (NIST SP 800-38D,
 * 96-bit random IV). Who reads the database, or a backup of it, reads nothing; who changes a bit is found out.
 */
@Injectable()
export class Sealer {
  constructor(private readonly config: AppConfig) {}

  /** @param value anything that JSON holds */
  seal(purpose: string, value: unknown): string {
    const iv = randomBytes(IV_BYTES)
    const cipher = createCipheriv(ALGORITHM, this.config.deriveKey(purpose), iv)
    const sealed = Buffer.concat([cipher.update(JSON.stringify(value), 'utf8'), cipher.final()])
    return Buffer.concat([iv, cipher.getAuthTag(), sealed]).toString('base64url')
  }

  /** What was sealed, under today's JWT_SECRET or an earlier one. @throws Error when it was not sealed here, or was changed */
  open(purpose: string, text: string): unknown {
    const { JWT_PREVIOUS_SECRETS: previous = [] } = this.config.settings
    const keys = [this.config.deriveKey(purpose), ...previous.map((secret) => this.config.deriveKey(purpose, secret))]
    const bytes = Buffer.from(text, 'base64url')
    for (const key of keys) {
      const opened = decrypt(bytes, key)
      if (opened !== null) return JSON.parse(opened) as unknown
    }
    throw new Error(`what was sealed for ${purpose} cannot be opened: JWT_SECRET has changed, or the text has`)
  }
}

function decrypt(bytes: Buffer, key: Buffer): string | null {
  if (bytes.length < IV_BYTES + TAG_BYTES) return null
  const decipher = createDecipheriv(ALGORITHM, key, bytes.subarray(0, IV_BYTES), { authTagLength: TAG_BYTES })
  decipher.setAuthTag(bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES))
  try {
    return Buffer.concat([decipher.update(bytes.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]).toString('utf8')
  } catch {
    return null
  }
}
