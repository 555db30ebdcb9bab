import { createThreadPool } from '#platform/threads/thread-pool.js'
import { Injectable, type OnApplicationShutdown } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import type { Piscina } from 'piscina'

/** Counts that may wait for their turn; above that they are estimated. */
export const MAX_WAITING_COUNTS = 256
/** The longest request takes some 50 ms; the rest is for waiting, and for the thread to start. */
const COUNT_TIMEOUT_MS = 10_000
/** Of English, in UTF-8. Other scripts take more bytes a character and more tokens too. */
const BYTES_PER_TOKEN = 4

interface CountOptions {
  readonly timeoutMs?: number
  /** Of somebody who may have less time than that. */
  readonly signal?: AbortSignal
  /** For an estimate. */
  readonly bytesPerToken?: number
}

/**
 * Counts tokens as OpenAI's current models do (o200k_base), a little too many in runs of over 256 characters without a
 * break. In one thread of its own, off the event loop, started at the first use and ended when there is nothing to do.
 * It always answers: where the thread cannot, with an estimate.
 */
@Injectable()
export class TokenCounter implements OnApplicationShutdown {
  private pool: Piscina<readonly string[], number[]> | undefined

  constructor(private readonly logger: PinoLogger) {
    logger.setContext(TokenCounter.name)
  }

  count(text: string): Promise<number> {
    return this.countAll([text])
  }

  /** Tokens of the texts together. */
  async countAll(texts: readonly string[]): Promise<number> {
    const counts = await this.countEach(texts)
    return counts.reduce((sum, count) => sum + count, 0)
  }

  /** Tokens of the texts together, or more where they cannot be counted: no token is less than a byte. */
  async bound(texts: readonly string[]): Promise<number> {
    const counts = await this.countEach(texts, { bytesPerToken: 1 })
    return counts.reduce((sum, count) => sum + count, 0)
  }

  /** Tokens of each text; estimated where there is no time to count them. */
  async countEach(
    texts: readonly string[],
    { signal, timeoutMs = COUNT_TIMEOUT_MS, bytesPerToken = BYTES_PER_TOKEN }: CountOptions = {},
  ): Promise<readonly number[]> {
    if (texts.every((text) => text === '')) return texts.map(() => 0)
    try {
      this.pool ??= createThreadPool(import.meta.url, 'token-counter.worker')
      // The pool's own limit does not count tasks that can be aborted.
      if (this.pool.queueSize >= MAX_WAITING_COUNTS) throw new Error(`${MAX_WAITING_COUNTS} counts are waiting already`)
      // A thread that hangs over a text is ended with it; the pool starts another.
      const timeout = AbortSignal.timeout(timeoutMs)
      return await this.pool.run(texts, { signal: signal ? AbortSignal.any([signal, timeout]) : timeout })
    } catch (error) {
      this.logger.warn({ err: error, event: 'token_count_estimated' }, 'token_count_estimated')
      return texts.map((text) => Math.ceil(Buffer.byteLength(text) / bytesPerToken))
    }
  }

  async onApplicationShutdown(): Promise<void> {
    const { pool } = this
    this.pool = undefined
    await pool?.destroy()
  }
}
