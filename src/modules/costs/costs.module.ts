import { Global, Module } from '@nestjs/common'
import { ApiKeySpending, AuthModule } from '#modules/auth'
import { AgentsModule } from '#modules/agents'
import { ProjectsModule } from '#modules/projects'
import { BudgetAlerts } from './budgets/budget-alerts.job.js'
import { BudgetAlertsRepository } from './budgets/budget-alerts.repository.js'
import { BudgetChanges } from './budgets/budget-changes.service.js'
import { BudgetRecounts } from './budgets/budget-recounts.service.js'
import { BudgetRemovals } from './budgets/budget-removals.service.js'
import { BudgetReservationsRepository } from './budgets/budget-reservations.repository.js'
import { BudgetReservations } from './budgets/budget-reservations.service.js'
import { BudgetSweep } from './budgets/budget-sweep.job.js'
import { BudgetTargets } from './budgets/budget-targets.service.js'
import { BudgetsController } from './budgets/budgets.controller.js'
import { BudgetsRepository } from './budgets/budgets.repository.js'
import { Budgets } from './budgets/budgets.service.js'
import { KeyBudgets } from './budgets/key-budgets.subscriber.js'
import { ProjectBudgets } from './budgets/project-budgets.subscriber.js'
import { WorstCases } from './budgets/worst-cases.service.js'
import { BookedSpending } from './booked-spending.service.js'
import { CostLedger } from './cost-ledger.service.js'
import { CostsRepository } from './costs.repository.js'
import { CostPoliciesController } from './policy/cost-policies.controller.js'
import { CostPoliciesRepository } from './policy/cost-policies.repository.js'
import { CostPolicies } from './policy/cost-policies.service.js'
import { ModelPricesRepository } from './prices/model-prices.repository.js'
import { PriceCatalogue } from './prices/price-catalogue.js'
import { PriceList } from './prices/price-list.service.js'
import { PriceSetting } from './prices/price-setting.service.js'
import { PricesController } from './prices/prices.controller.js'
import { CostEntriesRepository } from './reports/cost-entries.repository.js'
import { CostEntries } from './reports/cost-entries.service.js'
import { CostExportsController } from './reports/cost-exports.controller.js'
import { CostExports } from './reports/cost-exports.service.js'
import { CostReportsController } from './reports/cost-reports.controller.js'
import { CostSummaryRepository } from './reports/cost-summary.repository.js'
import { CostSummaries } from './reports/cost-summary.service.js'
import { ExportPlaces } from './reports/export-places.service.js'
import { ReratingController } from './rerating/rerating.controller.js'
import { Rerating } from './rerating/rerating.service.js'
import { UnpricedEntriesRepository } from './rerating/unpriced-entries.repository.js'
import { CostRollup } from './rollups/cost-rollup.job.js'
import { CostRollupRepository } from './rollups/cost-rollup.repository.js'
import { SpendingRulesRepository } from './rules/spending-rules.repository.js'
import { TenantsSpendingRules } from './rules/tenants-spending-rules.service.js'

const budgets = [
  BudgetAlerts,
  BudgetAlertsRepository,
  BudgetChanges,
  BudgetRecounts,
  BudgetRemovals,
  BudgetReservations,
  BudgetReservationsRepository,
  Budgets,
  BudgetsRepository,
  BudgetSweep,
  BudgetTargets,
  KeyBudgets,
  ProjectBudgets,
  WorstCases,
]

const prices = [
  CostPolicies,
  CostPoliciesRepository,
  ModelPricesRepository,
  PriceCatalogue,
  PriceList,
  PriceSetting,
  Rerating,
  UnpricedEntriesRepository,
]

const reports = [
  CostEntries,
  CostEntriesRepository,
  CostExports,
  CostRollup,
  CostRollupRepository,
  CostSummaries,
  CostSummaryRepository,
  ExportPlaces,
]

/** Global for `ApiKeySpending` alone, which the module auth asks for and must not import. */
@Global()
@Module({
  imports: [AuthModule, AgentsModule, ProjectsModule],
  controllers: [
    BudgetsController,
    PricesController,
    CostPoliciesController,
    ReratingController,
    CostExportsController,
    CostReportsController,
  ],
  providers: [
    ...budgets,
    ...prices,
    ...reports,
    CostLedger,
    CostsRepository,
    SpendingRulesRepository,
    TenantsSpendingRules,
    { provide: ApiKeySpending, useClass: BookedSpending },
  ],
  exports: [CostLedger, TenantsSpendingRules, ApiKeySpending, BudgetReservations, PriceCatalogue, WorstCases],
})
export class CostsModule {}
