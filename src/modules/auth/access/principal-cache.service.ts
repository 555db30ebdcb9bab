import { Injectable } from '@nestjs/common'
import { LRU } from 'tiny-lru'
import { Epochs } from '#platform/cache/epochs.js'
import type { Principal } from '#platform/http/principal.js'
import { AuthCacheMetrics } from './auth-cache-metrics.service.js'

const MAX_PRINCIPALS = 10_000
/** For what no epoch tells: that a session has come to its end by the clock. */
const MAX_AGE_MS = 30_000

interface Entry {
  readonly epochs: string
  readonly principal: Promise<Principal>
}

export interface PrincipalSource {
  /** Names the credential: `user_perms:<tenant>:<session or key>`. */
  readonly key: string
  /** Of all that the answer depends on. */
  readonly epochNames: readonly string[]
  /** Reads the principal from the database. @throws AppError `unauthenticated` */
  readonly load: () => Promise<Principal>
}

/**
 * Who is behind a credential, remembered for as long as nothing that it depends on has changed. A logout, a changed role
 * or a deleted key advances an epoch, and the very next request reads the database again, on every replica. While Redis
 * is away every request does.
 */
@Injectable()
export class PrincipalCache {
  private readonly entries = new LRU<Entry>(MAX_PRINCIPALS, MAX_AGE_MS, true)

  constructor(
    private readonly epochs: Epochs,
    private readonly metrics: AuthCacheMetrics,
  ) {}

  async get({ key, epochNames, load }: PrincipalSource): Promise<Principal> {
    const read = this.epochs.read(epochNames)
    const epochs = read instanceof Promise ? await read : read
    if (epochs === undefined) return this.miss(load)
    const known = this.entries.get(key)
    if (known?.epochs === epochs) {
      this.metrics.count('user_perms', 'hit')
      return known.principal
    }
    // Kept before it is there: a thousand requests at the end of a lease read the database once. Whoever joins has seen
    // the same epochs, so no change that was answered before he asked can be missing from what is read.
    const principal = this.miss(load)
    this.entries.set(key, { epochs, principal })
    principal.catch(() => this.entries.delete(key))
    return principal
  }

  private miss(load: () => Promise<Principal>): Promise<Principal> {
    this.metrics.count('user_perms', 'miss')
    return load()
  }
}
