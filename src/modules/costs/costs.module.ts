import { Global, Module } from '@nestjs/common'
import { ApiKeySpending } from '#modules/auth'
import { BookedSpending } from './booked-spending.service.js'
import { CostLedger } from './cost-ledger.service.js'
import { CostsRepository } from './costs.repository.js'
import { PriceCatalogue } from './price-catalogue.js'

/** Global for `ApiKeySpending` alone, which the module auth asks for and must not import. */
@Global()
@Module({
  providers: [CostLedger, CostsRepository, PriceCatalogue, { provide: ApiKeySpending, useClass: BookedSpending }],
  exports: [CostLedger, ApiKeySpending],
})
export class CostsModule {}
