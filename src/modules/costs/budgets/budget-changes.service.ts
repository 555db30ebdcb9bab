import { Injectable } from '@nestjs/common'
import { isDeepStrictEqual } from 'node:util'
import { invalidField } from '#kernel/app-error.js'
import { Clock } from '#kernel/clock.js'
import { isUuid, newId } from '#kernel/ids.js'
import { Usd } from '#kernel/usd.js'
import { AppConfig } from '#platform/config/app-config.js'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import { EventBus } from '#platform/events/event-bus.js'
import { Idempotency } from '#platform/http/idempotency/idempotency.service.js'
import { TenantsSpendingRules } from '../rules/tenants-spending-rules.service.js'
import type { BudgetRecord } from './budget.js'
import { budgetExists, budgetOfApiKey, noSuchBudget } from './budget.errors.js'
import { BudgetCreated, BudgetDeleted, BudgetUpdated } from './budget.events.js'
import { BudgetTargets } from './budget-targets.service.js'
import { BudgetsRepository } from './budgets.repository.js'
import type { ChangeBudgetCommand, CreateBudgetCommand } from './budgets.schemas.js'

/** Makes, changes and deletes budgets. What is booked meanwhile is counted, or waits: see the migration's `settle_budget`. */
@Injectable()
export class BudgetChanges {
  constructor(
    private readonly config: AppConfig,
    private readonly database: Database,
    private readonly repository: BudgetsRepository,
    private readonly targets: BudgetTargets,
    private readonly rules: TenantsSpendingRules,
    private readonly events: EventBus,
    private readonly idempotency: Idempotency,
    private readonly clock: Clock,
  ) {}

  /** @returns its id. @throws AppError `validation_failed`, for one more than a tenant may have, too; `budget_exists` */
  async create(tenantId: string, command: CreateBudgetCommand): Promise<string> {
    const { boundResource } = this.idempotency
    if (boundResource !== undefined) {
      // Whoever made it may have died before he said so.
      await this.rules.changed(tenantId)
      return boundResource
    }
    await this.targets.check(tenantId, command)
    const id = newId()
    await this.commit(tenantId, async (tx) => {
      await this.assertRoom(tenantId, tx)
      const target = await this.targets.resolve(tenantId, command, tx)
      const budget = this.draft({ tenantId, id, target }, command)
      if (!(await this.repository.add(budget, tx))) throw budgetExists()
      await this.idempotency.bind(id, tx)
      await this.events.emit(new BudgetCreated(budget), tx)
    })
    return id
  }

  /** @throws AppError `not_found`, `budget_of_api_key` */
  async change(tenantId: string, id: string, { limitUsd, ...command }: ChangeBudgetCommand): Promise<void> {
    await this.commit(tenantId, async (tx) => {
      const before = await this.getForChange(tenantId, id, tx)
      const after: BudgetRecord = {
        ...before,
        limitUsd: limitUsd === undefined ? before.limitUsd : normalise(limitUsd),
        alertPercents: command.alertPercents ?? before.alertPercents,
        isHard: command.hard ?? before.isHard,
      }
      if (isDeepStrictEqual(before, after)) return
      const updated = { ...after, updatedAt: this.clock.now() }
      await this.repository.update(updated, tx)
      await this.events.emit(new BudgetUpdated(before, updated), tx)
    })
  }

  /** What is reserved for calls under way goes with it. @throws AppError `not_found`, `budget_of_api_key` */
  async delete(tenantId: string, id: string): Promise<void> {
    await this.commit(tenantId, async (tx) => {
      const budget = await this.getForChange(tenantId, id, tx)
      await this.repository.delete(budget, tx)
      await this.events.emit(new BudgetDeleted(budget), tx)
    })
  }

  private commit(tenantId: string, work: (tx: Tx) => Promise<void>): Promise<void> {
    return this.rules.changing(tenantId, () => this.database.transaction({ tenantId }, work))
  }

  private draft(
    key: Pick<BudgetRecord, 'tenantId' | 'id' | 'target'>,
    { scope, scopeId, period, limitUsd, alertPercents, hard }: CreateBudgetCommand,
  ): BudgetRecord {
    const now = this.clock.now()
    const terms = { limitUsd: normalise(limitUsd), alertPercents, isHard: hard }
    const scoped = { scope, scopeId: scopeId ?? null, period }
    return { ...key, ...scoped, ...terms, isOfKey: false, createdAt: now, updatedAt: now }
  }

  private async getForChange(tenantId: string, id: string, tx: Tx): Promise<BudgetRecord> {
    const budget = isUuid(id) ? await this.repository.findForChange({ tenantId, id }, tx) : null
    if (!budget) throw noSuchBudget()
    if (budget.isOfKey) throw budgetOfApiKey()
    return budget
  }

  private async assertRoom(tenantId: string, tx: Tx): Promise<void> {
    const { BUDGETS_MAX: max } = this.config.settings
    if ((await this.repository.countForAdding(tenantId, tx)) < max) return
    throw invalidField('', `A tenant has at most ${max} budgets: delete one that is not used.`)
  }
}

/** Without zeros that say nothing. */
function normalise(amount: string): string {
  return Usd.parse(amount).toString()
}
