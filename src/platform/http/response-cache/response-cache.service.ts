import { Injectable } from '@nestjs/common'
import { Cache } from '../../cache/cache.js'
import { Epochs } from '../../cache/epochs.js'
import type { Principal } from '../principal.js'
import { type CacheableRequest, cacheKeyOf } from './cache-key.js'
import { CACHE_KINDS, type CacheRule } from './cache-rule.js'

/** Of an answer's JSON. The process keeps up to 2 000 answers: 32 MB at worst. A larger answer is made each time. */
const MAX_ANSWER_CHARACTERS = 16 * 1024

/** What is kept of an answer. */
export interface CachedAnswer {
  readonly body: string
  /** The header, where the route sets one. */
  readonly link: string | null
}

/** Answers of GET routes. Exact: what was cached before a write counts for nothing once that has called `invalidate`. */
@Injectable()
export class ResponseCache {
  private readonly loading = new Map<string, Promise<CachedAnswer | undefined>>()

  constructor(
    private readonly cache: Cache,
    private readonly epochs: Epochs,
  ) {}

  /** Makes all answers of these tenants stale that show what a tag names; on all replicas, by the time it resolves. After the commit. */
  async invalidate(tenantIds: readonly string[], tags: readonly string[]): Promise<void> {
    await this.epochs.advance(tenantIds.flatMap((tenantId) => tags.map((tag) => tagEpoch(tenantId, tag))))
  }

  /** Makes every answer of the tenant stale, likewise. */
  async clear(tenantId: string): Promise<void> {
    await this.epochs.advance([tenantEpoch(tenantId)])
  }

  /** Where the answer to this request is kept; undefined while Redis cannot say what is stale. */
  async findKey(request: CacheableRequest, principal: Principal, rule: CacheRule): Promise<string | undefined> {
    const { tenantId } = principal
    const epochs = await this.epochs.read([tenantEpoch(tenantId), ...rule.tags.map((tag) => tagEpoch(tenantId, tag))])
    return epochs === undefined ? undefined : cacheKeyOf(request, { principal, rule, epochs })
  }

  /**
   * The kept answer, or the one that another request is loading just now; else what `load` gives, which is kept unless it
   * is undefined or too large. Rejects only when `load` does.
   */
  async get(
    key: string,
    { kind }: CacheRule,
    load: () => Promise<CachedAnswer | undefined>,
  ): Promise<CachedAnswer | undefined> {
    const others = this.loading.get(key)
    if (others) return others.catch(() => undefined)
    const found = this.findOrLoad(key, CACHE_KINDS[kind].ttlMs, load)
    this.loading.set(key, found)
    try {
      return await found
    } finally {
      this.loading.delete(key)
    }
  }

  private async findOrLoad(
    key: string,
    ttlMs: number,
    load: () => Promise<CachedAnswer | undefined>,
  ): Promise<CachedAnswer | undefined> {
    const cached = await this.cache.find<CachedAnswer>(key)
    if (cached) return cached
    const answer = await load()
    if (answer && answer.body.length <= MAX_ANSWER_CHARACTERS) await this.cache.keep(key, answer, ttlMs)
    return answer
  }
}

function tenantEpoch(tenantId: string): string {
  return `cache:${tenantId}`
}

function tagEpoch(tenantId: string, tag: string): string {
  return `cache:${tenantId}:${tag}`
}
