import { Injectable } from '@nestjs/common'
import { Usd } from '#kernel/usd.js'
import { ApiKeySpending } from '#modules/auth'
import type { Tx } from '#platform/database/tx.js'
import { CostsRepository } from './costs.repository.js'

/** What was spent, by the entries that are booked. */
@Injectable()
export class BookedSpending extends ApiKeySpending {
  constructor(private readonly costs: CostsRepository) {
    super()
  }

  async total({ tenantId, id }: { readonly tenantId: string; readonly id: string }, tx: Tx): Promise<Usd> {
    return Usd.parse(await this.costs.sumOfApiKey(tenantId, id, tx))
  }
}
