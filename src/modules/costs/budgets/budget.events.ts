import { type Actor, type AuditFacts, AuditedEvent } from '#platform/events/audited-event.js'
import { DomainEvent } from '#platform/events/domain-event.js'
import type { BudgetAlertFacts, BudgetRecord } from './budget.js'

const SYSTEM: Actor = { type: 'system', id: null }

export class BudgetCreated extends AuditedEvent {
  override readonly type = 'budget.created'
  readonly tenantId: string
  readonly audit: AuditFacts

  constructor(budget: BudgetRecord) {
    super()
    this.tenantId = budget.tenantId
    this.audit = { action: 'budget_created', resource: resourceOf(budget), after: factsOf(budget) }
  }
}

export class BudgetUpdated extends AuditedEvent {
  override readonly type = 'budget.updated'
  readonly tenantId: string
  readonly audit: AuditFacts

  constructor(before: BudgetRecord, after: BudgetRecord) {
    super()
    this.tenantId = after.tenantId
    this.audit = {
      action: 'budget_updated',
      resource: resourceOf(after),
      before: factsOf(before),
      after: factsOf(after),
    }
  }
}

export class BudgetDeleted extends AuditedEvent {
  override readonly type = 'budget.deleted'
  readonly tenantId: string
  readonly audit: AuditFacts

  /** @param isConsequence of what it was for being gone: nobody asked for it */
  constructor(budget: BudgetRecord, isConsequence = false) {
    super()
    this.tenantId = budget.tenantId
    this.audit = {
      action: 'budget_deleted',
      resource: resourceOf(budget),
      before: factsOf(budget),
      ...(isConsequence && { actor: SYSTEM }),
    }
  }
}

/** So much of a budget is spent. Once for each of its percents in a period. */
export class BudgetThresholdReached extends DomainEvent {
  override readonly type = 'budget.threshold_reached'

  constructor(
    readonly tenantId: string,
    readonly budget: BudgetAlertFacts,
    readonly percent: number,
  ) {
    super()
  }
}

/** A budget is spent, or has refused something. Once in a period. */
export class BudgetExceeded extends DomainEvent {
  override readonly type = 'budget.exceeded'

  constructor(
    readonly tenantId: string,
    readonly budget: BudgetAlertFacts,
  ) {
    super()
  }
}

function resourceOf({ id }: BudgetRecord): AuditFacts['resource'] {
  return { type: 'budget', id }
}

function factsOf({ scope, scopeId, period, limitUsd, alertPercents, isHard }: BudgetRecord) {
  return { scope, scopeId, period, limitUsd, alertPercents, hard: isHard }
}
