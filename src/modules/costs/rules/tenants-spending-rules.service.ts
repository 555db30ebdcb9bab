import { Injectable } from '@nestjs/common'
import { LRU } from 'tiny-lru'
import { AppError } from '#kernel/app-error.js'
import { Epochs } from '#platform/cache/epochs.js'
import { Database, type PoolName } from '#platform/database/database.js'
import { isUnavailable } from '#platform/database/database-error.js'
import { PriceCatalogue } from '../prices/price-catalogue.js'
import { SpendingRules } from './spending-rules.js'
import { SpendingRulesRepository } from './spending-rules.repository.js'

/** Some kilobytes each; some hundred where a tenant has said as many prices as it may. */
const MAX_TENANTS_IN_PROCESS = 1000

interface KeptRules {
  readonly epoch: string
  readonly rules: Promise<SpendingRules>
}

/**
 * The rules of each tenant, read again once one of them has changed, on whichever replica: see {@link Epochs}. What is made of
 * them decides nothing that the database does not decide again: a budget that a call did not know of still counts it.
 */
@Injectable()
export class TenantsSpendingRules {
  private readonly kept = new LRU<KeptRules>(MAX_TENANTS_IN_PROCESS)

  constructor(
    private readonly database: Database,
    private readonly rules: SpendingRulesRepository,
    private readonly catalogue: PriceCatalogue,
    private readonly epochs: Epochs,
  ) {}

  async of(tenantId: string, pool: PoolName = 'requests'): Promise<SpendingRules> {
    const epoch = await this.epochs.read([epochOf(tenantId)])
    if (epoch === undefined) return this.load(tenantId, pool)
    const known = this.kept.get(tenantId)
    if (known?.epoch === epoch) return known.rules
    const rules = this.load(tenantId, pool)
    this.kept.set(tenantId, { epoch, rules })
    rules.catch(() => {
      if (this.kept.get(tenantId)?.rules === rules) this.kept.delete(tenantId)
    })
    return rules
  }

  /** After the commit of a change, and before it is answered. */
  async changed(tenantId: string): Promise<void> {
    await this.epochs.advance([epochOf(tenantId)])
  }

  /** Makes a change. One of which nobody knows whether it was committed is one as well; one that is refused is none. */
  async changing<T>(tenantId: string, change: () => Promise<T>): Promise<T> {
    let isRefused = false
    try {
      return await change()
    } catch (error) {
      isRefused = error instanceof AppError && !isUnavailable(error)
      throw error
    } finally {
      if (!isRefused) await this.changed(tenantId)
    }
  }

  private async load(tenantId: string, pool: PoolName): Promise<SpendingRules> {
    const stated = await this.database[pool].flight({ tenantId }, (tx) => this.rules.load(tenantId, tx))
    return new SpendingRules(stated, (model) => this.catalogue.find(model))
  }
}

function epochOf(tenantId: string): string {
  return `spending-rules:${tenantId}`
}
