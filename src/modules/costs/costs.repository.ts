import { Injectable } from '@nestjs/common'
import type { Tx } from '#platform/database/tx.js'
import type { CostEntryEntity } from './cost-entry.entity.js'
import type { Saving } from './saving.js'

/** `cost_tracking`: written once, never changed. */
@Injectable()
export class CostsRepository {
  async add(entry: CostEntryEntity, tx: Tx): Promise<void> {
    await tx.execute({
      name: 'cost_add',
      text: `INSERT INTO cost_tracking (tenant_id, id, run_id, project_id, agent, model, user_id, api_key_id, input_tokens,
               cached_input_tokens, output_tokens, reasoning_tokens, input_usd_per_million,
               cached_input_usd_per_million, output_usd_per_million, cost_usd, created_at, step, is_estimated, cache_write_tokens,
               cache_write_usd_per_million, reasoning_usd_per_million)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19,
               $20, $21, $22)`,
      values: [
        entry.tenantId,
        entry.id,
        entry.runId,
        entry.projectId,
        entry.agent,
        entry.model,
        entry.userId,
        entry.apiKeyId,
        entry.inputTokens,
        entry.cachedInputTokens,
        entry.outputTokens,
        entry.reasoningTokens,
        entry.inputUsdPerMillion,
        entry.cachedInputUsdPerMillion,
        entry.outputUsdPerMillion,
        entry.costUsd,
        entry.createdAt,
        entry.step,
        entry.isEstimated,
        entry.cacheWriteTokens,
        entry.cacheWriteUsdPerMillion,
        entry.reasoningUsdPerMillion,
      ],
    })
  }

  /** Into the tail of the sums alone: nothing was called, so there is no entry. */
  async addSaving(saving: Saving & { readonly id: string; readonly createdAt: Date }, tx: Tx): Promise<void> {
    await tx.execute({
      name: 'cost_add_saving',
      text: `INSERT INTO cost_tail (tenant_id, id, created_at, agent, model, project_id, user_id, api_key_id, cache_hits, saved_usd)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, coalesce($9::numeric, 0))`,
      values: [
        saving.tenantId,
        saving.id,
        saving.createdAt,
        saving.agent,
        saving.model,
        saving.projectId,
        saving.userId,
        saving.apiKeyId,
        saving.savedUsd,
      ],
    })
  }

  /** Exact sum of the key's entries with a price, as a decimal string; `0` without any. */
  async sumOfApiKey(tenantId: string, apiKeyId: string, tx: Tx): Promise<string> {
    const rows = await tx.query<{ total: string }>({
      name: 'cost_sum_of_api_key',
      text: `SELECT coalesce(sum(cost_usd), 0)::text AS total FROM cost_tracking WHERE tenant_id = $1 AND api_key_id = $2`,
      values: [tenantId, apiKeyId],
    })
    return rows[0]?.total ?? '0'
  }
}
