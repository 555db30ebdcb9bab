import { Injectable } from '@nestjs/common'
import { Clock } from '#kernel/clock.js'
import { newId } from '#kernel/ids.js'
import type { Tx } from '#platform/database/tx.js'
import { EventBus } from '#platform/events/event-bus.js'
import { ModelCallBooked } from './cost.events.js'
import { CostsRepository } from './costs.repository.js'
import { toAmounts } from './prices/price-view.js'
import type { BilledTokens, Price } from './prices/price.js'
import type { Saving } from './saving.js'

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
  readonly tokens: BilledTokens
  /** That held when the call was made; null: the model had none. */
  readonly price: Price | null
  /** Exact, or null: the model has no price, or nobody knows what it used. */
  readonly costUsd: string | null
}

const NO_AMOUNTS = {
  inputUsdPerMillion: null,
  cachedInputUsdPerMillion: null,
  cacheWriteUsdPerMillion: null,
  outputUsdPerMillion: null,
  reasoningUsdPerMillion: null,
}

/** Books what runs cost. */
@Injectable()
export class CostLedger {
  constructor(
    private readonly costs: CostsRepository,
    private readonly events: EventBus,
    private readonly clock: Clock,
  ) {}

  /** Writes the entry in the caller's transaction, the one that journals the step. Sums and budgets learn of it in its commit. */
  async book({ tokens, price, ...spending }: Spending, tx: Tx): Promise<void> {
    const booked = new ModelCallBooked(spending.tenantId, tokens.inputTokens, tokens.outputTokens)
    const added = this.costs.add(
      {
        ...spending,
        ...tokens,
        ...(price ? toAmounts(price) : NO_AMOUNTS),
        id: newId(),
        createdAt: this.clock.now(),
      },
      tx,
    )
    await Promise.all([added, this.events.emit(booked, tx)])
  }

  /** Adds a saving to the sums, in the transaction of what the kept answer was used for. */
  async bookSaving(saving: Saving, tx: Tx): Promise<void> {
    await this.costs.addSaving({ ...saving, id: newId(), createdAt: this.clock.now() }, tx)
  }
}
