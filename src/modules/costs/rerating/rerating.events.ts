import { Usd } from '#kernel/usd.js'
import { type AuditFacts, AuditedEvent } from '#platform/events/audited-event.js'
import type { ReratedEntry } from './rerating-tally.js'

/** Entries that had no price have been given one. A re-rating of many makes several of these. */
export class EntriesRerated extends AuditedEvent {
  override readonly type = 'costs.rerated'
  readonly audit: AuditFacts
  /** Each once. */
  readonly runIds: readonly string[]

  constructor(
    readonly tenantId: string,
    entries: readonly ReratedEntry[],
  ) {
    super()
    this.runIds = [...new Set(entries.map(({ runId }) => runId))]
    const costUsd = entries.reduce((sum, entry) => sum.plus(entry.costUsd), Usd.ZERO)
    this.audit = {
      action: 'costs_rerated',
      resource: { type: 'cost_entries', id: tenantId },
      after: {
        entries: entries.length,
        runs: this.runIds.length,
        costUsd: costUsd.toString(),
        models: [...new Set(entries.map(({ model }) => model))].sort(),
      },
    }
  }
}
