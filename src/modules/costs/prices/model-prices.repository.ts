import { Injectable } from '@nestjs/common'
import type { ConnectionPool } from '#platform/database/connection-pool.js'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import { PRICE_COLUMNS, type PriceRow, type PriceVersion, toPriceVersion } from './price-version.js'
import type { StatedAmounts } from './stated-amounts.js'

/** A model, to one of the tenants that pay for it. */
export interface PricedModel {
  readonly tenantId: string
  readonly model: string
}

/** A version as it is written, and never changed. */
export interface NewPriceVersion extends PricedModel {
  readonly id: string
  readonly amounts: StatedAmounts
  readonly effectiveFrom: Date
  readonly createdBy: string
  readonly createdAt: Date
}

/** Tenants' own prices. Of two of one moment the one that was written later holds: ids grow. */
@Injectable()
export class ModelPricesRepository {
  private readonly requests: ConnectionPool

  constructor(database: Database) {
    this.requests = database.requests
  }

  /** Newest first, those to come among them. */
  async listNewest({ tenantId, model }: PricedModel, limit: number): Promise<PriceVersion[]> {
    const rows = await this.requests.read<PriceRow>(
      { tenantId },
      {
        name: 'model_prices_of',
        text: `SELECT ${PRICE_COLUMNS} FROM model_prices p WHERE p.tenant_id = $1 AND p.model = $2
                ORDER BY p.effective_from DESC, p.id DESC LIMIT $3`,
        values: [tenantId, model, limit],
      },
    )
    return rows.map(toPriceVersion)
  }

  /** All that the tenant has ever said: of a model, the one that holds at a moment is the first from before it. */
  async listAll(tenantId: string): Promise<PriceVersion[]> {
    const rows = await this.requests.read<PriceRow>(
      { tenantId },
      {
        name: 'model_prices_all',
        text: `SELECT ${PRICE_COLUMNS} FROM model_prices p WHERE p.tenant_id = $1
                ORDER BY p.model, p.effective_from DESC, p.id DESC`,
        values: [tenantId],
      },
    )
    return rows.map(toPriceVersion)
  }

  /** Until `tx` ends nobody else sets a price of the tenant. @returns how many versions it has */
  async countForAdding(tenantId: string, tx: Tx): Promise<number> {
    await tx.execute({ text: 'SELECT 1 FROM tenants WHERE id = $1 FOR NO KEY UPDATE', values: [tenantId] })
    const rows = await tx.query<{ count: number }>({
      text: 'SELECT count(*)::integer AS count FROM model_prices WHERE tenant_id = $1',
      values: [tenantId],
    })
    return rows[0]?.count ?? 0
  }

  /** The tenant's own price at `moment`. */
  async findAt({ tenantId, model }: PricedModel, moment: Date, tx: Tx): Promise<PriceVersion | null> {
    const rows = await tx.query<PriceRow>({
      text: `SELECT ${PRICE_COLUMNS} FROM model_prices p
              WHERE p.tenant_id = $1 AND p.model = $2 AND p.effective_from <= $3
              ORDER BY p.effective_from DESC, p.id DESC LIMIT 1`,
      values: [tenantId, model, moment],
    })
    return rows[0] ? toPriceVersion(rows[0]) : null
  }

  async add(version: NewPriceVersion, tx: Tx): Promise<void> {
    const { amounts } = version
    await tx.execute({
      text: `INSERT INTO model_prices (tenant_id, id, model, input_usd_per_million, cached_input_usd_per_million,
                    cache_write_usd_per_million, output_usd_per_million, reasoning_usd_per_million, effective_from,
                    created_by, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
      values: [
        version.tenantId,
        version.id,
        version.model,
        amounts.inputUsdPerMillion,
        amounts.cachedInputUsdPerMillion ?? null,
        amounts.cacheWriteUsdPerMillion ?? null,
        amounts.outputUsdPerMillion,
        amounts.reasoningUsdPerMillion ?? null,
        version.effectiveFrom,
        version.createdBy,
        version.createdAt,
      ],
    })
  }
}
