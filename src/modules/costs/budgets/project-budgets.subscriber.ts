import { Injectable, type OnModuleInit } from '@nestjs/common'
import { ProjectDeleted } from '#modules/projects'
import { EventBus } from '#platform/events/event-bus.js'
import { projectHasBudgets } from './budget.errors.js'
import { BudgetsRepository } from './budgets.repository.js'

/**
 * A project that has a budget is not deleted: whoever may delete projects may not change budgets, and could have the same slug without
 * one a moment later.
 */
@Injectable()
export class ProjectBudgets implements OnModuleInit {
  constructor(
    private readonly events: EventBus,
    private readonly repository: BudgetsRepository,
  ) {}

  onModuleInit(): void {
    this.events.subscribe(ProjectDeleted, async ({ tenantId, projectId }, tx) => {
      if (await this.repository.hasOf({ tenantId, scope: 'project', target: projectId }, tx)) throw projectHasBudgets()
    })
  }
}
