import { Injectable } from '@nestjs/common'
import { Clock } from '#kernel/clock.js'
import { newId } from '#kernel/ids.js'
import type { Usd } from '#kernel/usd.js'
import type { Tx } from '#platform/database/tx.js'
import { CostsRepository } from './costs.repository.js'
import { type BilledTokens, costOf } from './price.js'
import { PriceCatalogue } from './price-catalogue.js'

/** What a run used, to be booked. */
export interface Spending {
  readonly tenantId: string
  readonly runId: string
  readonly projectId: string | null
  readonly agent: string
  readonly model: string
  readonly userId: string | null
  readonly apiKeyId: string | null
  readonly tokens: BilledTokens & { readonly reasoningTokens: number }
  /** Exact, or null: the model has no price, or nobody knows what it used. */
  readonly costUsd: string | null
}

/** Books what runs cost. */
@Injectable()
export class CostLedger {
  constructor(
    private readonly prices: PriceCatalogue,
    private readonly costs: CostsRepository,
    private readonly clock: Clock,
  ) {}

  /** Exact cost; null when the model has no price. */
  price(model: string, tokens: BilledTokens): Usd | null {
    const price = this.prices.find(model)
    return price && costOf(tokens, price)
  }

  /** Writes the entry in the caller's transaction, the one that settles the run. */
  async book({ tokens, model, ...spending }: Spending, tx: Tx): Promise<void> {
    const price = this.prices.find(model)
    await this.costs.add(
      {
        ...spending,
        ...tokens,
        model,
        id: newId(),
        inputUsdPerMillion: price?.inputUsdPerMillion.toString() ?? null,
        cachedInputUsdPerMillion: price?.cachedInputUsdPerMillion.toString() ?? null,
        outputUsdPerMillion: price?.outputUsdPerMillion.toString() ?? null,
        createdAt: this.clock.now(),
      },
      tx,
    )
  }
}
