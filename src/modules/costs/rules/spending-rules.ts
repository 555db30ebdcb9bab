import type { PriceVersion } from '../prices/price-version.js'
import type { Price } from '../prices/price.js'

/** What a budget counts. `target`: the project's or key's id, the agent's slug; empty for the tenant. */
export interface BudgetTarget {
  readonly scope: 'tenant' | 'project' | 'agent' | 'apiKey'
  readonly target: string
}

/** Who spends. */
export interface Spender {
  readonly projectId: string | null
  readonly agent: string
  readonly apiKeyId: string | null
}

export interface StatedRules {
  /** Of a model, the one that holds comes first. */
  readonly prices: readonly PriceVersion[]
  readonly unpricedModels: 'allow' | 'block'
  readonly budgets: readonly BudgetTarget[]
}

/** What holds for a tenant's money: what models cost it, whether it lets run what has no price, and where it counts. */
export class SpendingRules {
  private readonly versions: ReadonlyMap<string, readonly PriceVersion[]>

  /** @param listPrice of who has not said a price of his own */
  constructor(
    private readonly stated: StatedRules,
    private readonly listPrice: (model: string) => Price | null,
  ) {
    this.versions = Map.groupBy(stated.prices, ({ model }) => model)
  }

  /** What the model costs the tenant at `moment`; null when nobody has said: unpriced, not free. */
  findPrice(model: string, moment: Date): Price | null {
    const own = this.findOwnPrice(model, moment)
    return own ? own.price : this.listPrice(model)
  }

  /** What the tenant itself says that the model costs at `moment`. */
  findOwnPrice(model: string, moment: Date): PriceVersion | null {
    return this.versions.get(model)?.find(({ effectiveFrom }) => effectiveFrom <= moment) ?? null
  }

  /** All that the tenant itself says at `moment`, a model once. */
  listOwnPrices(moment: Date): PriceVersion[] {
    return [...this.versions.keys()].flatMap((model) => this.findOwnPrice(model, moment) ?? [])
  }

  /** Whether the tenant lets the model run. */
  allows(model: string, moment: Date): boolean {
    return this.stated.unpricedModels === 'allow' || this.findPrice(model, moment) !== null
  }

  /** Whether any budget counts what this one spends. */
  hasBudgetFor({ projectId, agent, apiKeyId }: Spender): boolean {
    const targets = { tenant: '', project: projectId, agent, apiKey: apiKeyId }
    return this.stated.budgets.some(({ scope, target }) => targets[scope] === target)
  }

  /** The same for who knows that there is a project, and not yet which. */
  mayHaveBudgetFor(spender: Omit<Spender, 'projectId'>, isOfProject: boolean): boolean {
    const isOfSome = isOfProject && this.stated.budgets.some(({ scope }) => scope === 'project')
    return isOfSome || this.hasBudgetFor({ ...spender, projectId: null })
  }
}
