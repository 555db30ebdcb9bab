import type { Usd } from '#kernel/usd.js'
import type { Tx } from '#platform/database/tx.js'

/** What a key has spent. The module costs keeps the books, and stands on this one like every other: so it provides this. */
export abstract class ApiKeySpending {
  /** Exact sum of what is booked to the key; runs in flight and runs without a price are not in it. */
  abstract total(key: { readonly tenantId: string; readonly id: string }, tx: Tx): Promise<Usd>
}
