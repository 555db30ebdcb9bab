import { Injectable } from '@nestjs/common'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'

/** A question of a tenant's. */
export interface KeptAnswerKey {
  readonly tenantId: string
  readonly keyHash: Buffer
}

export interface NewKeptAnswer extends KeptAnswerKey {
  readonly model: string
  /** JSON. */
  readonly answer: string
  readonly inputTokens: number
  readonly cachedInputTokens: number
  readonly outputTokens: number
  readonly reasoningTokens: number
  readonly costUsd: string | null
  readonly ttlSeconds: number
}

/** `answer` as it was kept; jsonb does not keep the order of keys. Counts are text, as pg gives a bigint. */
export interface KeptAnswerRow<Answer> {
  readonly answer: Answer
  readonly input_tokens: string
  readonly cached_input_tokens: string
  readonly output_tokens: string
  readonly reasoning_tokens: string
  readonly cost_usd: string | null
}

/** `kept_answers`. Their time runs on the database's clock, which all replicas share. */
@Injectable()
export class KeptAnswersRepository {
  constructor(private readonly database: Database) {}

  /** In one flight. Null when there is none, or its time is over. */
  async find<Answer>({ tenantId, keyHash }: KeptAnswerKey): Promise<KeptAnswerRow<Answer> | null> {
    const rows = await this.database.workers.read<KeptAnswerRow<Answer>>(
      { tenantId },
      {
        name: 'kept_answers_find',
        text: `SELECT answer, input_tokens, cached_input_tokens, output_tokens, reasoning_tokens, cost_usd
                 FROM kept_answers WHERE tenant_id = $1 AND key_hash = $2 AND expires_at > now()`,
        values: [tenantId, keyHash],
      },
    )
    return rows[0] ?? null
  }

  /** In place of an older answer to the same question. What has been saved by that one stays counted. */
  async upsert(entry: NewKeptAnswer, tx: Tx): Promise<void> {
    await tx.execute({
      name: 'kept_answers_upsert',
      text: `INSERT INTO kept_answers (tenant_id, key_hash, model, answer, input_tokens, cached_input_tokens,
                                       output_tokens, reasoning_tokens, cost_usd, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, now(), now() + $10 * interval '1 second')
             ON CONFLICT (tenant_id, key_hash) DO UPDATE SET
               model = excluded.model,
               answer = excluded.answer,
               input_tokens = excluded.input_tokens,
               cached_input_tokens = excluded.cached_input_tokens,
               output_tokens = excluded.output_tokens,
               reasoning_tokens = excluded.reasoning_tokens,
               cost_usd = excluded.cost_usd,
               created_at = excluded.created_at,
               expires_at = excluded.expires_at`,
      values: [
        entry.tenantId,
        entry.keyHash,
        entry.model,
        entry.answer,
        entry.inputTokens,
        entry.cachedInputTokens,
        entry.outputTokens,
        entry.reasoningTokens,
        entry.costUsd,
        entry.ttlSeconds,
      ],
    })
  }

  /** Nothing happens when the answer has been swept or cleared since it was found. */
  async addHit({ tenantId, keyHash, savedUsd }: KeptAnswerKey & { savedUsd: string }, tx: Tx): Promise<void> {
    await tx.execute({
      name: 'kept_answers_add_hit',
      text: `UPDATE kept_answers SET hits = hits + 1, saved_usd = saved_usd + $3 WHERE tenant_id = $1 AND key_hash = $2`,
      values: [tenantId, keyHash, savedUsd],
    })
  }

  /** In the order in which runs lock them. @returns how many */
  deleteOfTenant({ tenantId, limit }: { tenantId: string; limit: number }, tx: Tx): Promise<number> {
    return tx.execute({
      text: `DELETE FROM kept_answers WHERE tenant_id = $1
                AND key_hash IN (SELECT key_hash FROM kept_answers WHERE tenant_id = $1 ORDER BY key_hash LIMIT $2 FOR UPDATE)`,
      values: [tenantId, limit],
    })
  }

  /**
   * In the scope of the purpose `kept-answers.sweep`, across tenants. Its policy asks for the time again once a lock was
   * waited for: an answer that was kept anew meanwhile stays. Locks them in another order than runs do, who may keep several
   * anew in one commit: of two that wait for each other PostgreSQL breaks one off, which is repeated. @returns how many
   */
  deleteExpired(limit: number, tx: Tx): Promise<number> {
    return tx.execute({
      text: `DELETE FROM kept_answers WHERE (tenant_id, key_hash) IN
               (SELECT tenant_id, key_hash FROM kept_answers WHERE expires_at < now() ORDER BY expires_at LIMIT $1)`,
      values: [limit],
    })
  }
}
