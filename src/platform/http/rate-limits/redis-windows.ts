import { createHash } from 'node:crypto'
import { Injectable } from '@nestjs/common'
import type { RedisClientType } from 'redis'
import { RedisConnection } from '../../cache/redis-connection.js'
import type { Window } from './window.js'

/**
 * Begins a window with its first request, and only then sets when it ends: further ones never push that out. A key that
 * has no end, or one beyond the window's length, is given one.
 */
const SCRIPT = `
local hits = redis.call('INCR', KEYS[1])
local remaining = redis.call('PTTL', KEYS[1])
local window = tonumber(ARGV[1])
if remaining < 0 or remaining > window then
  redis.call('PEXPIRE', KEYS[1], window)
  remaining = window
end
return { hits, remaining }`
const SCRIPT_HASH = createHash('sha1').update(SCRIPT).digest('hex')
const KEY_PREFIX = 'temponest:rate-limit:'
const ANSWER_TIMEOUT_MS = 250
/** After a failure Redis is left alone for a moment: a silent one must not hold every request up. */
const REST_AFTER_FAILURE_MS = 1000

/** Fixed windows in Redis, which replicas share: one script, so that a count and its end cannot part. */
@Injectable()
export class RedisWindows {
  private restUntilMs = 0

  constructor(private readonly redis: RedisConnection) {}

  /** False without `REDIS_URL`: this process is then the only one. */
  get isInUse(): boolean {
    return this.redis.client !== undefined
  }

  /**
   * Counts one request.
   * @throws Error at once while Redis is not connected or has just failed, else when it refuses or is silent for 250 ms
   */
  async hit(keyHash: Buffer, windowMs: number): Promise<Window> {
    const { client } = this.redis
    if (!client?.isReady) throw new Error('Redis is not connected')
    if (performance.now() < this.restUntilMs) throw new Error('Redis has just failed')
    try {
      const answer = await answerInTime(run(client, KEY_PREFIX + keyHash.toString('base64url'), windowMs))
      const [hits, remainingMs] = answer as [number, number]
      return { hits, remainingMs }
    } catch (error) {
      this.restUntilMs = performance.now() + REST_AFTER_FAILURE_MS
      throw error
    }
  }
}

async function run(client: RedisClientType, key: string, windowMs: number): Promise<unknown> {
  const call = { keys: [key], arguments: [`${windowMs}`] }
  try {
    return await client.evalSha(SCRIPT_HASH, call)
  } catch (error) {
    // A Redis that was restarted, or has never heard it.
    if (error instanceof Error && error.message.startsWith('NOSCRIPT')) return client.eval(SCRIPT, call)
    throw error
  }
}

/** With a plain timer: this stands before every request, and an abort signal costs ten times as much. */
function answerInTime<T>(answer: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`Redis did not answer within ${ANSWER_TIMEOUT_MS} ms`)),
      ANSWER_TIMEOUT_MS,
    )
    void answer.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}
