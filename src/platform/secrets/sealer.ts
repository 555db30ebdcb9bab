import { createCipheriv, createDecipheriv, hash, randomBytes } from 'node:crypto'
import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { AppConfig } from '../config/app-config.js'

const CIPHER = 'aes-256-gcm'
const PURPOSE = 'sealer'
const FORMAT = 1
const FORMAT_BYTES = 1
const KEY_ID_BYTES = 4
/** NIST SP 800-38D: random nonces of 96 bits are safe for 2^32 texts under one key, a thousand a second for 50 days. */
const NONCE_BYTES = 12
const TAG_BYTES = 16
const HEADER_BYTES = FORMAT_BYTES + KEY_ID_BYTES + NONCE_BYTES

interface SealingKey {
  readonly id: Buffer
  readonly key: Buffer
}

/**
 * Encrypts what the database keeps and who reads a dump of it must not see. The key comes from JWT_SECRET; what was sealed
 * under one of JWT_PREVIOUS_SECRETS still opens.
 *
 * Sealed form: format (1 byte), key id (4), nonce (12), text, tag (16).
 */
@Injectable()
export class Sealer {
  private readonly current: SealingKey
  private readonly all: readonly SealingKey[]

  constructor(config: AppConfig) {
    this.current = identify(config.deriveKey(PURPOSE))
    const previous = config.settings.JWT_PREVIOUS_SECRETS ?? []
    this.all = [this.current, ...previous.map((secret) => identify(config.deriveKey(PURPOSE, secret)))]
  }

  /** @param place where the text belongs, such as a table and its key: it opens nowhere else. */
  seal(text: Buffer, place: string): Buffer {
    const nonce = randomBytes(NONCE_BYTES)
    const cipher = createCipheriv(CIPHER, this.current.key, nonce, { authTagLength: TAG_BYTES })
    cipher.setAAD(Buffer.from(place))
    const sealed = [cipher.update(text), cipher.final()]
    return Buffer.concat([Buffer.of(FORMAT), this.current.id, nonce, ...sealed, cipher.getAuthTag()])
  }

  /** @throws AppError `seal_unreadable`: another key's, another place's, or changed */
  open(sealed: Buffer, place: string): Buffer {
    const id = sealed.subarray(FORMAT_BYTES, FORMAT_BYTES + KEY_ID_BYTES)
    const known = this.all.find((key) => key.id.equals(id))
    if (!known || sealed[0] !== FORMAT || sealed.length < HEADER_BYTES + TAG_BYTES) throw unreadable()
    const nonce = sealed.subarray(FORMAT_BYTES + KEY_ID_BYTES, HEADER_BYTES)
    const decipher = createDecipheriv(CIPHER, known.key, nonce, { authTagLength: TAG_BYTES })
    decipher.setAAD(Buffer.from(place))
    decipher.setAuthTag(sealed.subarray(-TAG_BYTES))
    try {
      return Buffer.concat([decipher.update(sealed.subarray(HEADER_BYTES, -TAG_BYTES)), decipher.final()])
    } catch (cause) {
      throw unreadable(cause)
    }
  }
}

/** The id tells keys apart; from a hash of 256 random bits nothing is learned about them. */
function identify(key: Buffer): SealingKey {
  return { key, id: hash('sha256', key, 'buffer').subarray(0, KEY_ID_BYTES) }
}

function unreadable(cause?: unknown): AppError {
  return new AppError('seal_unreadable', 'internal', { cause })
}
