import { Module } from '@nestjs/common'
import { CostLedger } from './cost-ledger.service.js'
import { CostsRepository } from './costs.repository.js'
import { PriceCatalogue } from './price-catalogue.js'

@Module({ providers: [CostLedger, CostsRepository, PriceCatalogue], exports: [CostLedger] })
export class CostsModule {}
