import { Injectable } from '@nestjs/common'
import { CostLedger } from '#modules/costs'
import type { ModelUse } from '#modules/models'
import type { PricedUse } from './journal.js'

/** What model calls cost. */
@Injectable()
export class UsePrices {
  constructor(private readonly costs: CostLedger) {}

  /** What nobody counted has no price. */
  of(uses: readonly ModelUse[]): PricedUse[] {
    return uses.map((use) => {
      const cost = use.usage.isReported || use.isEstimated ? this.costs.price(use.model, use.usage) : null
      return { ...use, costUsd: cost?.toString() ?? null }
    })
  }
}
