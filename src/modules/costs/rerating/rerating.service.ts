import { Injectable } from '@nestjs/common'
import { invalidField } from '#kernel/app-error.js'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import { EventBus } from '#platform/events/event-bus.js'
import { FIGURES_TAG } from '#platform/http/response-cache/cache-rule.js'
import { ResponseCache } from '#platform/http/response-cache/response-cache.service.js'
import type { Principal } from '#platform/http/principal.js'
import { ModelPricesRepository } from '../prices/model-prices.repository.js'
import { PriceCatalogue } from '../prices/price-catalogue.js'
import { SpendingRules } from '../rules/spending-rules.js'
import { ReratingTally, type UnpricedEntry } from './rerating-tally.js'
import { EntriesRerated } from './rerating.events.js'
import type { RerateCommand, Rerating as ReratingAnswer } from './rerating.schemas.js'
import { type EntryRange, UnpricedEntriesRepository } from './unpriced-entries.repository.js'

/** Of one transaction: while it commits, nobody else of the tenant's books into a budget. */
const BATCH_ENTRIES = 250
/** Of one request that are given a price: some seconds' work. */
export const MAX_RERATED = 5000
/** Of one request that are looked at, whatever becomes of them. */
export const MAX_LOOKED_AT = 20_000

/**
 * Gives entries that were booked without a price the one that is said by now to have held then. Each batch is a commit of its own,
 * with all that follows from it: what is done is done, and who asks again goes on with the rest.
 */
@Injectable()
export class Rerating {
  constructor(
    private readonly database: Database,
    private readonly entries: UnpricedEntriesRepository,
    private readonly prices: ModelPricesRepository,
    private readonly catalogue: PriceCatalogue,
    private readonly events: EventBus,
    private readonly answers: ResponseCache,
  ) {}

  /** @throws AppError `validation_failed` */
  async rerate({ tenantId }: Principal, command: RerateCommand): Promise<ReratingAnswer> {
    const answer = await this.goThrough(tenantId, command)
    if (!answer.dryRun && answer.rerated > 0) await this.answers.invalidate([tenantId], [FIGURES_TAG])
    return answer
  }

  private async goThrough(tenantId: string, command: RerateCommand): Promise<ReratingAnswer> {
    const { dryRun } = command
    const [from, to] = [command.from, command.to].map((moment) => (moment === undefined ? null : new Date(moment)))
    if (from && to && from >= to) throw invalidField('/to', 'It must be after `from`.')
    const rules = await this.rulesOfAllTime(tenantId)
    const models = command.models && new Set(command.models)
    const tally = new ReratingTally(
      (model, moment) => rules.findPrice(model, moment),
      (model) => models?.has(model) ?? true,
    )
    let after: EntryRange['after'] = null
    for (let seen = BATCH_ENTRIES; ; seen += BATCH_ENTRIES) {
      const range: EntryRange = { from: from ?? null, to: to ?? null, after }
      // Of background work: who asks for it asks for many.
      const batch: UnpricedEntry[] = await this.database.workers.transaction({ tenantId }, (tx) =>
        dryRun ? this.look(tenantId, range, tally, tx) : this.apply(tenantId, range, tally, tx),
      )
      const last = batch.at(-1)
      if (!last || batch.length < BATCH_ENTRIES) return { dryRun, ...tally.toAnswer(), nextFrom: null }
      // Again from that moment on: others of the same may be left.
      if (tally.rerated > MAX_RERATED - BATCH_ENTRIES || seen >= MAX_LOOKED_AT) {
        return { dryRun, ...tally.toAnswer(), nextFrom: last.createdAt.toISOString() }
      }
      after = last
    }
  }

  private async look(tenantId: string, range: EntryRange, tally: ReratingTally, tx: Tx): Promise<UnpricedEntry[]> {
    const entries = await this.entries.list(tenantId, range, BATCH_ENTRIES, tx)
    tally.rate(entries)
    return entries
  }

  private async apply(tenantId: string, range: EntryRange, tally: ReratingTally, tx: Tx): Promise<UnpricedEntry[]> {
    await this.entries.takeTurn(tenantId, tx)
    const entries = await this.entries.list(tenantId, range, BATCH_ENTRIES, tx)
    const rerated = tally.rate(entries)
    if (rerated.length > 0) {
      await this.entries.setPrices(tenantId, rerated, tx)
      await this.events.emit(new EntriesRerated(tenantId, rerated), tx)
    }
    return entries
  }

  /** Others keep no price that nobody can need any more; here all are needed that ever held. */
  private async rulesOfAllTime(tenantId: string): Promise<SpendingRules> {
    const prices = await this.prices.listAll(tenantId)
    return new SpendingRules({ prices, unpricedModels: 'allow', budgets: [] }, (model) => this.catalogue.find(model))
  }
}
