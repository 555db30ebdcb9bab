import { type AuditFacts, AuditedEvent } from '#platform/events/audited-event.js'
import type { PriceVersion } from './price-version.js'
import { toAmounts } from './price-view.js'
import type { Price } from './price.js'

/** A tenant says what a model costs it, from a moment on. */
export class PriceSet extends AuditedEvent {
  override readonly type = 'price.set'
  readonly audit: AuditFacts

  /** @param before what held at that moment till now, whoever said so; null: the model had no price */
  constructor(
    readonly tenantId: string,
    { before, after }: { before: Price | null; after: PriceVersion },
  ) {
    super()
    this.audit = {
      action: 'model_price_set',
      resource: { type: 'model_price', id: after.model },
      before: before ? toAmounts(before) : {},
      after: { ...toAmounts(after.price), effectiveFrom: after.effectiveFrom.toISOString() },
    }
  }
}
