import { Injectable } from '@nestjs/common'
import { invalidField } from '#kernel/app-error.js'
import { Clock } from '#kernel/clock.js'
import { newId } from '#kernel/ids.js'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import { EventBus } from '#platform/events/event-bus.js'
import type { Principal } from '#platform/http/principal.js'
import { TenantsSpendingRules } from '../rules/tenants-spending-rules.service.js'
import { ModelPricesRepository, type PricedModel } from './model-prices.repository.js'
import { PriceCatalogue } from './price-catalogue.js'
import type { PriceVersion } from './price-version.js'
import { toOwnPrice } from './price-view.js'
import { isSamePrice } from './price.js'
import { PriceSet } from './prices.events.js'
import { priceLimitReached } from './prices.errors.js'
import { type ModelPrice, readModelName, type SetPriceCommand } from './prices.schemas.js'
import { readAmounts } from './stated-amounts.js'

/** All that a tenant has ever said: every replica keeps those that hold or will, and a re-rating reads them all. */
export const MAX_PRICE_VERSIONS_PER_TENANT = 2000

/** Adds versions of prices. What was paid for under the one before keeps its price. */
@Injectable()
export class PriceSetting {
  constructor(
    private readonly database: Database,
    private readonly prices: ModelPricesRepository,
    private readonly catalogue: PriceCatalogue,
    private readonly rules: TenantsSpendingRules,
    private readonly events: EventBus,
    private readonly clock: Clock,
  ) {}

  /**
   * What the model costs from `effectiveFrom` on: a new version, or the one that holds then, if it says the same. Holds on every
   * replica once this resolves.
   * @throws AppError `validation_failed`, `price_limit_reached`
   */
  async set(principal: Principal, provider: string, name: string, command: SetPriceCommand): Promise<ModelPrice> {
    const { tenantId } = principal
    const model = readModelName(provider, name)
    if (model === null) throw invalidField('/model', 'No model can have this name: it must look like provider/model.')
    // Also where nothing is new: whoever wrote it may have died before he said so.
    const version = await this.rules.changing(tenantId, () =>
      this.database.transaction({ tenantId }, (tx) =>
        this.addIfNew({ tenantId, model }, principal.userId, command, tx),
      ),
    )
    return toOwnPrice(version)
  }

  private async addIfNew(key: PricedModel, createdBy: string, command: SetPriceCommand, tx: Tx): Promise<PriceVersion> {
    const { effectiveFrom: moment, ...amounts } = command
    const count = await this.prices.countForAdding(key.tenantId, tx)
    // With the lock in hand: of two that say "now" the second one's is later.
    const createdAt = this.clock.now()
    const effectiveFrom = moment === undefined ? createdAt : new Date(moment)
    const version: PriceVersion = { model: key.model, effectiveFrom, price: readAmounts(amounts) }
    const held = await this.prices.findAt(key, effectiveFrom, tx)
    if (held && isSamePrice(held.price, version.price)) return held
    if (count >= MAX_PRICE_VERSIONS_PER_TENANT) throw priceLimitReached(MAX_PRICE_VERSIONS_PER_TENANT)
    await this.prices.add({ ...key, id: newId(), amounts, effectiveFrom, createdBy, createdAt }, tx)
    const before = held?.price ?? this.catalogue.find(key.model)
    await this.events.emit(new PriceSet(key.tenantId, { before, after: version }), tx)
    return version
  }
}
