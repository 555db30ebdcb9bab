import { Injectable, type OnModuleInit } from '@nestjs/common'
import { argon2id, hash, needsRehash, verify } from 'argon2'
import pLimit, { type LimitFunction } from 'p-limit'
import { AppError } from '#kernel/app-error.js'
import { AppConfig } from '#platform/config/app-config.js'

const PARALLELISM = 1
const RETRY_AFTER_SECONDS = 1
/** Of a hash split at `$`: those before the salt. */
const PARAMETER_FIELDS = 4

/**
 * argon2id (RFC 9106), on libuv's threads: the event loop goes on meanwhile. A few at once and a bounded queue: a flood of
 * sign-ins gets 503 at its end, in place of a pile of memory and of answers that come too late for anybody.
 */
@Injectable()
export class PasswordHasher implements OnModuleInit {
  private readonly queue: LimitFunction
  private readonly capacity: number
  private readonly options: { type: typeof argon2id; memoryCost: number; timeCost: number; parallelism: number }
  private decoy = ''
  /** With the parameters of an outdated hash that was seen; null while all were today's. */
  private outdatedDecoy: string | null = null

  constructor({ settings }: AppConfig) {
    this.queue = pLimit(settings.ARGON2_CONCURRENCY)
    this.capacity = settings.ARGON2_CONCURRENCY + settings.ARGON2_QUEUE_LIMIT
    this.options = {
      type: argon2id,
      memoryCost: settings.ARGON2_MEMORY_KIB,
      timeCost: settings.ARGON2_TIME_COST,
      parallelism: PARALLELISM,
    }
  }

  async onModuleInit(): Promise<void> {
    this.decoy = await hash('no password has this hash', this.options)
  }

  /** @throws AppError `unavailable` when too many wait already */
  hash(password: string): Promise<string> {
    return this.enqueue(() => hash(password, this.options))
  }

  /**
   * Whether the password matches. Without a hash it does the same work and says no: an unknown address takes as long.
   *
   * While hashes of earlier parameters are about, whatever is refused costs one of today's and one of those: else the time
   * would tell old accounts from new ones, and both from none. What remains: until this process has seen its first such
   * hash, and where parameters have risen twice, an old account may take longer than an unknown address, never shorter.
   * @throws AppError `unavailable` when too many wait already
   */
  verify(passwordHash: string | null, password: string): Promise<boolean> {
    const isOutdated = passwordHash !== null && this.isOutdated(passwordHash)
    if (isOutdated) this.outdatedDecoy = withParametersOf(passwordHash, this.decoy)
    // Both in one turn: to refuse the second for want of room would tell that the first did not match.
    return this.enqueue(async () => {
      const matches = await verify(passwordHash ?? this.decoy, password)
      if (matches && passwordHash !== null) return true
      const other = isOutdated ? this.decoy : this.outdatedDecoy
      if (other !== null) await verify(other, password)
      return false
    })
  }

  /** Whether the hash was made with weaker parameters than today's. */
  isOutdated(passwordHash: string): boolean {
    return needsRehash(passwordHash, this.options)
  }

  private async enqueue<T>(work: () => Promise<T>): Promise<T> {
    if (this.queue.activeCount + this.queue.pendingCount >= this.capacity) {
      throw new AppError('unavailable', 'unavailable', {
        detail: 'Too many people sign in at this moment.',
        retryAfterSeconds: RETRY_AFTER_SECONDS,
      })
    }
    return this.queue(work)
  }
}

/** A hash that costs what `passwordHash` costs, with another's salt and digest: `$argon2id$v=…$m=…,t=…,p=…$salt$digest`. */
function withParametersOf(passwordHash: string, another: string): string {
  return [...passwordHash.split('$').slice(0, PARAMETER_FIELDS), ...another.split('$').slice(PARAMETER_FIELDS)].join(
    '$',
  )
}
