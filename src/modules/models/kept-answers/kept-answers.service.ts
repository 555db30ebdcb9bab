import { Injectable } from '@nestjs/common'
import { Usd } from '#kernel/usd.js'
import { AppConfig } from '#platform/config/app-config.js'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import type { ModelAnswer, TokenUsage } from '../model-call.js'
import { type AnswerKind, type AnswerQuestion, kindsOf } from './answer-question.js'
import { toKeepableJson } from './keepable-answer.js'
import { type KeptAnswerKey, KeptAnswersRepository } from './kept-answers.repository.js'
import { LlmCacheMetrics } from './llm-cache-metrics.service.js'
import { hashQuestion } from './question-hash.js'

export const CLEARED_PER_BATCH = 1000

/** An answer with what it took to make it. */
export interface KeptAnswer {
  readonly answer: ModelAnswer
  readonly usage: Omit<TokenUsage, 'cacheWriteTokens'>
  /** Null: unpriced. */
  readonly costUsd: string | null
}

/** What a model said just now, and to what. */
export interface NewAnswer extends KeptAnswer {
  readonly tenantId: string
  readonly question: AnswerQuestion
  /** `hashOf(question)`, which whoever asked has at hand. */
  readonly keyHash: Buffer
  /** Whether we counted any of its tokens ourselves: a call that broke off somewhere. */
  readonly isEstimated: boolean
}

/** A kept answer that was used in place of a call. */
export interface AnswerHit extends KeptAnswerKey {
  /** What the call that made it had cost; null: unpriced. */
  readonly savedUsd: string | null
}

/** The LLM cache: a tenant's answers of models, found again by exactly the same question, and never by another tenant. */
@Injectable()
export class KeptAnswers {
  private readonly ttlSeconds: Readonly<Record<AnswerKind, number>>

  constructor(
    private readonly answers: KeptAnswersRepository,
    private readonly database: Database,
    private readonly metrics: LlmCacheMetrics,
    { settings }: AppConfig,
  ) {
    this.ttlSeconds = {
      text: settings.LLM_CACHE_TTL_TEXT_SECONDS,
      structured: settings.LLM_CACHE_TTL_STRUCTURED_SECONDS,
      tools: settings.LLM_CACHE_TTL_TOOLS_SECONDS,
      knowledge: settings.LLM_CACHE_TTL_KNOWLEDGE_SECONDS,
    }
  }

  /** Names a question. 32 bytes, alike on all replicas. */
  hashOf(question: AnswerQuestion): Buffer {
    return hashQuestion(question)
  }

  /** For a run with `cache: use`. Null when nothing is kept, or no longer; that is counted as a miss at once. */
  async find(tenantId: string, keyHash: Buffer): Promise<KeptAnswer | null> {
    const row = await this.answers.find<ModelAnswer>({ tenantId, keyHash })
    if (!row) {
      this.metrics.countMiss()
      return null
    }
    return {
      answer: row.answer,
      usage: {
        isReported: true,
        inputTokens: Number(row.input_tokens),
        cachedInputTokens: Number(row.cached_input_tokens),
        outputTokens: Number(row.output_tokens),
        reasoningTokens: Number(row.reasoning_tokens),
      },
      costUsd: row.cost_usd === null ? null : Usd.parse(row.cost_usd).toString(),
    }
  }

  /** For a run with `cache: refresh`, in place of `find`. */
  countRefresh(): void {
    this.metrics.countRefresh()
  }

  /**
   * Keeps an answer for the least time of its question's kinds, in place of an older one. Does nothing, without a word, for
   * what must not be kept: see `toKeepableJson`; an answer of another model than the one asked, since the next run should
   * ask that one again; and one whose usage nobody reported. Whether it fits the run's schema is for the caller to know.
   */
  async keep({ tenantId, question, keyHash, answer, usage, isEstimated, costUsd }: NewAnswer, tx: Tx): Promise<void> {
    const ttlSeconds = Math.min(...kindsOf(question).map((kind) => this.ttlSeconds[kind]))
    if (ttlSeconds === 0 || isEstimated || !usage.isReported || answer.model !== question.model) return
    const json = toKeepableJson(answer)
    if (json === null) return
    const { inputTokens, cachedInputTokens, outputTokens, reasoningTokens } = usage
    const tokens = { inputTokens, cachedInputTokens, outputTokens, reasoningTokens }
    await this.answers.upsert(
      { tenantId, keyHash, model: answer.model, answer: json, ...tokens, costUsd, ttlSeconds },
      tx,
    )
  }

  /**
   * Once for each hit, in the transaction of what the answer was used for, or its flight. Locks the answer's row until that ends: call
   * it late, and for several hits in one transaction in the order of their hashes.
   */
  async countHit({ tenantId, keyHash, savedUsd }: AnswerHit, tx: Tx): Promise<void> {
    const saved = savedUsd ?? Usd.ZERO.toString()
    tx.afterCommit(() => this.metrics.countHit(saved))
    await this.answers.addHit({ tenantId, keyHash, savedUsd: saved }, tx)
  }

  /** Deletes all that is kept for a tenant, a transaction each batch. An answer being made meanwhile may be kept after it. */
  async clear(tenantId: string): Promise<void> {
    let deleted: number
    do {
      deleted = await this.database.transaction({ tenantId }, (tx) =>
        this.answers.deleteOfTenant({ tenantId, limit: CLEARED_PER_BATCH }, tx),
      )
    } while (deleted === CLEARED_PER_BATCH)
  }
}
