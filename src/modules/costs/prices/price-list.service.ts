import { Injectable } from '@nestjs/common'
import { Clock } from '#kernel/clock.js'
import { decodeCursor, type Page, toPage } from '#platform/http/page.js'
import type { Principal } from '#platform/http/principal.js'
import type { SpendingRules } from '../rules/spending-rules.js'
import { TenantsSpendingRules } from '../rules/tenants-spending-rules.service.js'
import { ModelPricesRepository } from './model-prices.repository.js'
import { PriceCatalogue } from './price-catalogue.js'
import { toModelPrice, toOwnPrice } from './price-view.js'
import { noPrice } from './prices.errors.js'
import { type ModelPrice, type ModelPrices, type PriceListQuery, readModelName } from './prices.schemas.js'

/** Of one model, in an answer. */
const MAX_VERSIONS_SHOWN = 100

/** What models cost a tenant. */
@Injectable()
export class PriceList {
  constructor(
    private readonly rules: TenantsSpendingRules,
    private readonly catalogue: PriceCatalogue,
    private readonly prices: ModelPricesRepository,
    private readonly clock: Clock,
  ) {}

  /** As they hold now, by the model's name as JavaScript orders it. */
  async list({ tenantId }: Principal, { model, source, limit, cursor }: PriceListQuery): Promise<Page<ModelPrice>> {
    const after = cursor === undefined ? '' : decodeCursor(cursor, isModelName)
    const held = this.heldNow(await this.rules.of(tenantId))
    const names = [...held.keys()].filter((name) => name > after && (model === undefined || name === model)).sort()
    const found: ModelPrice[] = []
    for (const name of names) {
      const price = held.get(name)
      if (price && (source === undefined || price.source === source)) found.push(price)
      if (found.length > limit) break
    }
    return toPage(found, limit, (price) => price.model)
  }

  /** @throws AppError `not_found` when nobody has said anything, nor will */
  async get({ tenantId }: Principal, provider: string, name: string): Promise<ModelPrices> {
    const model = readModelName(provider, name)
    if (model === null) throw noPrice()
    const [rules, versions] = await Promise.all([
      this.rules.of(tenantId),
      this.prices.listNewest({ tenantId, model }, MAX_VERSIONS_SHOWN),
    ])
    const current = this.findNow(rules, model)
    if (!current && versions.length === 0) throw noPrice()
    return { model, current, versions: versions.map(toOwnPrice) }
  }

  private findNow(rules: SpendingRules, model: string): ModelPrice | null {
    const own = rules.findOwnPrice(model, this.clock.now())
    if (own) return toOwnPrice(own)
    const listed = this.catalogue.all.get(model)
    return listed ? toModelPrice({ ...listed, model, effectiveFrom: null }) : null
  }

  private heldNow(rules: SpendingRules): ReadonlyMap<string, ModelPrice> {
    const listed = [...this.catalogue.all].map(
      ([model, price]) => [model, toModelPrice({ ...price, model, effectiveFrom: null })] as const,
    )
    const own = rules.listOwnPrices(this.clock.now()).map((version) => [version.model, toOwnPrice(version)] as const)
    return new Map([...listed, ...own])
  }
}

function isModelName(text: string): boolean {
  const slash = text.indexOf('/')
  return readModelName(text.slice(0, slash), text.slice(slash + 1)) === text
}
