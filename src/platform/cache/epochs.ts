import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Injectable } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { LRU } from 'tiny-lru'
import { RedisConnection } from './redis-connection.js'

/**
 * How long an epoch lives in the store. Short: when an advance cannot reach Redis, waiting this long makes it true all the
 * same, since no replica can then still read the old one.
 */
const LEASE_MS = 2000
const MAX_EPOCHS_IN_PROCESS = 100_000
const EPOCH_BYTES = 9
const KEY_PREFIX = 'temponest:epoch:'
const READ_TIMEOUT_MS = 250
/** After a failure Redis is left alone for a moment: a silent one must not hold every request up. */
const REST_AFTER_FAILURE_MS = 1000
const RETRY_ADVANCE_MS = 100

/**
 * Makes caches exact. A cached value is kept with the epochs of what it depends on, read before the value was loaded; it
 * counts only while these are still the current ones. Whoever changes the thing advances its epoch after his commit, and
 * the next read on any replica finds the cached value stale.
 *
 * An epoch is a random word in Redis (in the process where there is no Redis, and then one replica is all that may run).
 * One that is missing is made anew, which only costs a load.
 */
@Injectable()
export class Epochs {
  /** Without an end: an advance always reaches it. One that is pushed out costs a load. */
  private readonly inProcess = new LRU<string>(MAX_EPOCHS_IN_PROCESS)
  private restUntil = 0

  constructor(
    private readonly redis: RedisConnection,
    private readonly logger: PinoLogger,
  ) {
    logger.setContext(Epochs.name)
  }

  /**
   * The current epochs of these names as one text, to be compared with the one that a cached value was stored with.
   * Undefined when Redis cannot be asked: nothing cached may be used then. Synchronous without Redis, so that a request
   * that needs no network needs no turn of the event loop either.
   */
  read(names: readonly string[]): string | undefined | Promise<string | undefined> {
    if (!this.redis.client) return names.map((name) => this.readInProcess(name)).join()
    return this.readShared(names)
  }

  /**
   * Makes everything stale that was cached under these names. Call it after the commit and await it before answering:
   * from then on no replica serves the old value. Never rejects; while Redis is away it takes up to two seconds.
   */
  async advance(names: readonly string[]): Promise<void> {
    if (names.length === 0) return
    if (!this.redis.client) {
      for (const name of names) this.inProcess.delete(name)
      return
    }
    const deadline = performance.now() + LEASE_MS
    while (!(await this.removeShared(names))) {
      const remainingMs = deadline - performance.now()
      if (remainingMs <= 0) return
      await sleep(Math.min(RETRY_ADVANCE_MS, remainingMs))
    }
  }

  private readInProcess(name: string): string {
    const known = this.inProcess.get(name)
    if (known !== undefined) return known
    const made = newEpoch()
    this.inProcess.set(name, made)
    return made
  }

  private async readShared(names: readonly string[]): Promise<string | undefined> {
    const { client } = this.redis
    if (!client?.isReady || performance.now() < this.restUntil) return undefined
    try {
      const keys = names.map((name) => KEY_PREFIX + name)
      const epochs = await inTime(client.mGet(keys))
      const missing = keys.filter((_, index) => epochs[index] === null)
      if (missing.length === 0) return epochs.join()
      // The first to set it wins; then all read the same one.
      await inTime(
        Promise.all(
          missing.map((key) =>
            client.set(key, newEpoch(), { condition: 'NX', expiration: { type: 'PX', value: LEASE_MS } }),
          ),
        ),
      )
      const settled = await inTime(client.mGet(keys))
      return settled.includes(null) ? undefined : settled.join()
    } catch (error) {
      this.restUntil = performance.now() + REST_AFTER_FAILURE_MS
      this.logger.warn({ err: error, event: 'epochs_unavailable' }, 'epochs_unavailable')
      return undefined
    }
  }

  private async removeShared(names: readonly string[]): Promise<boolean> {
    try {
      const { client } = this.redis
      if (!client?.isReady) return false
      await inTime(client.del(names.map((name) => KEY_PREFIX + name)))
      return true
    } catch {
      return false
    }
  }
}

function newEpoch(): string {
  return randomBytes(EPOCH_BYTES).toString('base64url')
}

async function inTime<T>(answer: Promise<T>): Promise<T> {
  const timer = new AbortController()
  const silence = sleep(READ_TIMEOUT_MS, undefined, { ref: false, signal: timer.signal }).then(() => {
    throw new Error(`Redis did not answer within ${READ_TIMEOUT_MS} ms`)
  })
  try {
    return await Promise.race([answer, silence])
  } finally {
    silence.catch(() => undefined)
    timer.abort()
  }
}
