import { Injectable } from '@nestjs/common'
import { argon2id, hash, verify } from 'argon2'
import { AppConfig } from '#platform/config/app-config.js'

const PARALLELISM = 1

/** argon2id (RFC 9106), on libuv's threads: the event loop goes on meanwhile. */
@Injectable()
export class PasswordHasher {
  private decoy: Promise<string> | undefined

  constructor(private readonly config: AppConfig) {}

  hash(password: string): Promise<string> {
    const { ARGON2_MEMORY_KIB, ARGON2_TIME_COST } = this.config.settings
    return hash(password, {
      type: argon2id,
      memoryCost: ARGON2_MEMORY_KIB,
      timeCost: ARGON2_TIME_COST,
      parallelism: PARALLELISM,
    })
  }

  /** Whether the password matches. Without a hash it does the same work and says no: an unknown address takes as long. */
  async verify(passwordHash: string | undefined, password: string): Promise<boolean> {
    if (passwordHash !== undefined) return verify(passwordHash, password)
    this.decoy ??= this.hash('no password has this hash')
    try {
      await verify(await this.decoy, password)
    } catch (error) {
      this.decoy = undefined
      throw error
    }
    return false
  }
}
