export { ModelCallBooked } from './cost.events.js'
export { CostLedger } from './cost-ledger.service.js'
export { CostsModule } from './costs.module.js'
