import { Injectable } from '@nestjs/common'
import { Clock } from '#kernel/clock.js'
import { newId } from '#kernel/ids.js'
import type { Usd } from '#kernel/usd.js'
import type { Tx } from '#platform/database/tx.js'
import { EventBus } from '#platform/events/event-bus.js'
import { ModelCallBooked } from './cost.events.js'
import { CostsRepository } from './costs.repository.js'
import { type BilledTokens, costOf, type Price } from './price.js'
import { PriceCatalogue } from './price-catalogue.js'

/** What one model call used, to be booked. */
export interface Spending {
  readonly tenantId: string
  readonly runId: string
  readonly step: number
  /** Counted by us: the provider could not tell. */
  readonly isEstimated: boolean
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
    private readonly events: EventBus,
    private readonly clock: Clock,
  ) {}

  /** Null when nobody has said what the model costs. */
  findPrice(model: string): Price | null {
    return this.prices.find(model)
  }

  /** Exact cost; null when the model has no price. */
  price(model: string, tokens: BilledTokens): Usd | null {
    const price = this.prices.find(model)
    return price && costOf(tokens, price)
  }

  /** Writes the entry in the caller's transaction, the one that journals the step. */
  async book({ tokens, model, ...spending }: Spending, tx: Tx): Promise<void> {
    const price = this.prices.find(model)
    const booked = new ModelCallBooked(spending.tenantId, tokens.inputTokens, tokens.outputTokens)
    const added = this.costs.add(
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
    await Promise.all([added, this.events.emit(booked, tx)])
  }
}
