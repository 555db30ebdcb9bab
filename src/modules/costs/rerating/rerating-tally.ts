import { Usd } from '#kernel/usd.js'
import { type BilledTokens, costOf, type Price } from '../prices/price.js'
import type { Rerating } from './rerating.schemas.js'

/** An entry that has no price. */
export interface UnpricedEntry {
  readonly id: string
  readonly runId: string
  readonly model: string
  readonly createdAt: Date
  readonly tokens: BilledTokens
}

/** The same with the price that is said to hold when it was booked. */
export interface ReratedEntry extends UnpricedEntry {
  readonly price: Price
  readonly costUsd: Usd
}

interface ModelTally {
  entries: number
  rerated: number
  costUsd: Usd
}

/** Adds up what a re-rating comes to, whether it is done or only reckoned. */
export class ReratingTally {
  private readonly models = new Map<string, ModelTally>()
  private readonly runs = new Set<string>()

  /**
   * @param findPrice what the model is said to have cost at a moment
   * @param isAsked whether the model is one that is to be re-rated
   */
  constructor(
    private readonly findPrice: (model: string, moment: Date) => Price | null,
    private readonly isAsked: (model: string) => boolean,
  ) {}

  get rerated(): number {
    return this.models.values().reduce((sum, tally) => sum + tally.rerated, 0)
  }

  /** @returns those that have a price now */
  rate(entries: readonly UnpricedEntry[]): ReratedEntry[] {
    return entries
      .filter((entry) => this.isConcerned(entry))
      .flatMap((entry) => {
        const { model, createdAt, runId, tokens } = entry
        const price = this.findPrice(model, createdAt)
        const costUsd = price && costOf(tokens, price)
        const tally = this.tallyOf(model)
        tally.entries += 1
        if (!price || !costUsd) return []
        tally.rerated += 1
        tally.costUsd = tally.costUsd.plus(costUsd)
        this.runs.add(runId)
        return [{ ...entry, price, costUsd }]
      })
  }

  toAnswer(): Omit<Rerating, 'dryRun' | 'nextFrom'> {
    const models = [...this.models].sort(([a], [b]) => (a < b ? -1 : 1))
    const entries = models.reduce((sum, [, tally]) => sum + tally.entries, 0)
    return {
      entries,
      rerated: this.rerated,
      stillUnpriced: entries - this.rerated,
      totalUsd: models.reduce((sum, [, tally]) => sum.plus(tally.costUsd), Usd.ZERO).toString(),
      runs: this.runs.size,
      byModel: models.map(([model, tally]) => ({
        model,
        entries: tally.entries,
        rerated: tally.rerated,
        costUsd: tally.costUsd.toString(),
      })),
    }
  }

  /** What has used neither input nor output has no usage that anybody knows: all kinds of tokens are part of these. */
  private isConcerned({ model, tokens }: UnpricedEntry): boolean {
    return this.isAsked(model) && (tokens.inputTokens > 0 || tokens.outputTokens > 0)
  }

  private tallyOf(model: string): ModelTally {
    const tally = this.models.get(model) ?? { entries: 0, rerated: 0, costUsd: Usd.ZERO }
    this.models.set(model, tally)
    return tally
  }
}
