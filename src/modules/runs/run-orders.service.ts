import { Injectable } from '@nestjs/common'
import { BudgetReservations } from '#modules/costs'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import type { RunEntity } from './run.entity.js'
import type { RunRequester } from './run-requester.js'
import { RunBell } from './engine/run-bell.service.js'
import { RunTrees } from './engine/run-trees.service.js'
import { type PlannedRun, RunPlanner } from './run-planner.service.js'
import { RunAdmissions } from './run-admissions.service.js'
import { RunsRepository } from './runs.repository.js'
import type { StartRunCommand } from './runs.schemas.js'

/** What makes a run out of a plan. */
export interface RunOrder {
  readonly runId: string
  readonly plan: PlannedRun
  readonly projectId: string | null
  readonly scheduleId: string
  /** On the database's clock: its place in the queue. */
  readonly at: Date
}

/** Runs that other modules order and no request waits for. They go through the queue, in the transaction of whoever orders them. */
@Injectable()
export class RunOrders {
  constructor(
    private readonly database: Database,
    private readonly planner: RunPlanner,
    private readonly admissions: RunAdmissions,
    private readonly reservations: BudgetReservations,
    private readonly runs: RunsRepository,
    private readonly trees: RunTrees,
    private readonly bell: RunBell,
  ) {}

  /**
   * What a run of this command would be now. The project is not looked at. A plan can be ordered many times.
   * @throws AppError `not_found` for the agent, `validation_failed` for what the command asks
   */
  plan(requester: RunRequester, slug: string, command: StartRunCommand): Promise<PlannedRun> {
    return this.planner.plan(requester, slug, command, 'timers')
  }

  /** Whether what is booked leaves room for it. Its worker reserves, call by call. @throws AppError `budget_exceeded` */
  async assertAffordable(plan: PlannedRun, projectId: string | null): Promise<void> {
    const worst = await this.admissions.worstOf(plan, projectId !== null)
    if (!worst) return
    const { tenantId, agent, apiKeyId, createdAt: moment } = plan
    await this.reservations.assertUnspent({ tenantId, projectId, agent, apiKeyId, worst, moment }, 'timers')
  }

  /** Queues runs of one tenant, in one statement. */
  async add(orders: readonly RunOrder[], tx: Tx): Promise<void> {
    await Promise.all([this.addUnannounced(orders, tx), this.bell.ring(tx)])
  }

  /** The same for who orders more: nobody looks for the runs before {@link announce}, or before the queue's sweep. */
  async addUnannounced(orders: readonly RunOrder[], tx: Tx): Promise<void> {
    await this.runs.addQueued(orders.map(toRun), tx)
  }

  /** Has every replica look at the queue now. */
  async announce(): Promise<void> {
    await this.database.timers.transaction({}, (tx) => this.bell.ring(tx))
  }

  /** Stops a run with all that it delegated: what is being worked on ends within a moment. Nothing where it had ended. */
  async stop(run: { tenantId: string; runId: string }, now: Date, tx: Tx): Promise<void> {
    await this.trees.cancel(run, now, tx)
  }
}

function toRun({ runId: id, plan, projectId, scheduleId, at }: RunOrder): RunEntity {
  const { beginsWithModel: _beginsWithModel, rules: _rules, ...run } = plan
  return { ...run, id, rootRunId: id, projectId, scheduleId, createdAt: at, queuedSince: at }
}
