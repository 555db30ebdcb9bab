import { Injectable } from '@nestjs/common'
import type { Tx } from '#platform/database/tx.js'
import { toStorableJson } from '#kernel/storable.js'
import { toAmounts } from '../prices/price-view.js'
import type { ReratedEntry, UnpricedEntry } from './rerating-tally.js'

/** Booked in this time, and after that entry, in the order in which they were. */
export interface EntryRange {
  readonly from: Date | null
  readonly to: Date | null
  readonly after: Pick<UnpricedEntry, 'createdAt' | 'id'> | null
}

interface EntryRow extends Omit<UnpricedEntry, 'tokens'> {
  input: string
  cachedInput: string
  cacheWrite: string
  output: string
  reasoning: string
}

/** Entries of `cost_tracking` without a price. Scope: `tenantId`. */
@Injectable()
export class UnpricedEntriesRepository {
  /** Until `tx` ends nobody else re-rates entries of the tenant: what is listed then is still without a price when it is given one. */
  async takeTurn(tenantId: string, tx: Tx): Promise<void> {
    await tx.query({ text: `SELECT pg_advisory_xact_lock(hashtextextended('rerating/' || $1, 0))`, values: [tenantId] })
  }

  async list(tenantId: string, { from, to, after }: EntryRange, limit: number, tx: Tx): Promise<UnpricedEntry[]> {
    const rows = await tx.query<EntryRow>({
      name: 'costs_unpriced',
      text: `SELECT id, run_id AS "runId", model, created_at AS "createdAt", input_tokens AS input,
                    cached_input_tokens AS "cachedInput", cache_write_tokens AS "cacheWrite", output_tokens AS output,
                    reasoning_tokens AS reasoning
               FROM cost_tracking
              WHERE tenant_id = $1 AND cost_usd IS NULL
                AND (created_at, id) > (coalesce($2::timestamptz, '-infinity'), coalesce($3::uuid, '00000000-0000-0000-0000-000000000000'))
                AND created_at >= coalesce($4::timestamptz, '-infinity') AND created_at < coalesce($5::timestamptz, 'infinity')
              ORDER BY created_at, id LIMIT $6`,
      values: [tenantId, after?.createdAt ?? null, after?.id ?? null, from, to, limit],
    })
    return rows.map(({ input, cachedInput, cacheWrite, output, reasoning, ...entry }) =>
      Object.assign(entry, {
        tokens: {
          inputTokens: Number(input),
          cachedInputTokens: Number(cachedInput),
          cacheWriteTokens: Number(cacheWrite),
          outputTokens: Number(output),
          reasoningTokens: Number(reasoning),
        },
      }),
    )
  }

  /** Sums and budgets learn of it in the commit. @throws DatabaseError, whoever asks, when one of them has a price */
  async setPrices(tenantId: string, entries: readonly ReratedEntry[], tx: Tx): Promise<void> {
    const rows = entries.map(({ id, price, costUsd }) => ({ id, costUsd: costUsd.toString(), ...toAmounts(price) }))
    await tx.execute({
      name: 'costs_rerate',
      text: `UPDATE cost_tracking c
                SET cost_usd = e."costUsd", input_usd_per_million = e."inputUsdPerMillion",
                    cached_input_usd_per_million = e."cachedInputUsdPerMillion",
                    cache_write_usd_per_million = e."cacheWriteUsdPerMillion",
                    output_usd_per_million = e."outputUsdPerMillion", reasoning_usd_per_million = e."reasoningUsdPerMillion"
               FROM jsonb_to_recordset($2::jsonb) AS e (id uuid, "costUsd" numeric, "inputUsdPerMillion" numeric,
                    "cachedInputUsdPerMillion" numeric, "cacheWriteUsdPerMillion" numeric, "outputUsdPerMillion" numeric,
                    "reasoningUsdPerMillion" numeric)
              WHERE c.tenant_id = $1 AND c.id = e.id`,
      values: [tenantId, toStorableJson(rows)],
    })
  }
}
