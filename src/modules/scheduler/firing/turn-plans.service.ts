import { Injectable } from '@nestjs/common'
import { AppError, type ErrorKind } from '#kernel/app-error.js'
import { StandingPermissions } from '#modules/auth'
import { type PlannedRun, RunOrders, type RunRequester } from '#modules/runs'
import { EXECUTION_REASONS } from '../executions/execution.js'
import type { ScheduleRecord } from '../schedules/schedule.js'
import { keyOf, type RunPlan } from './run-plan.js'
import type { Requester } from './turn-rows.js'

/** Errors that say that a run cannot be, and not that nobody could look. */
const REFUSALS: ReadonlySet<ErrorKind> = new Set(['invalid', 'not_found', 'payment_required', 'forbidden', 'conflict'])

/** Decides what the runs of schedules are, before anything is locked. */
@Injectable()
export class TurnPlans {
  constructor(
    private readonly permissions: StandingPermissions,
    private readonly orders: RunOrders,
  ) {}

  /** Who may start runs at this moment, and is not out of money, of those in whose names they would be. By {@link keyOf}. */
  async findRefusals(tenantId: string, requesters: readonly Requester[]): Promise<ReadonlyMap<string, string | null>> {
    const unique = new Map(requesters.map((requester) => [keyOf(requester), requester]))
    const refusals = [...unique].map(async ([key, requester]): Promise<[string, string | null]> => [
      key,
      await this.findRefusal({ tenantId, ...requester }),
    ])
    return new Map(await Promise.all(refusals))
  }

  /** @throws AppError where nobody could look: `unavailable`, `internal` */
  async plan(schedule: ScheduleRecord, requester: RunRequester): Promise<RunPlan> {
    try {
      return { run: await this.planOrThrow(schedule, requester), refusal: null }
    } catch (error) {
      return { refusal: toRefusal(error) }
    }
  }

  /** @throws AppError `not_found` for the agent, `validation_failed` */
  planOrThrow({ agent, task, input }: ScheduleRecord, requester: RunRequester): Promise<PlannedRun> {
    return this.orders.plan(requester, agent, { task, ...input })
  }

  private async findRefusal(requester: RunRequester): Promise<string | null> {
    const permissions = await this.permissions.of(requester)
    if (!permissions.has('schedules:write')) return EXECUTION_REASONS.notPermitted
    try {
      await this.orders.assertAffordable(requester)
      return null
    } catch (error) {
      return toRefusal(error)
    }
  }
}

function toRefusal(error: unknown): string {
  if (!(error instanceof AppError) || !REFUSALS.has(error.kind)) throw error
  // The agent is all that a plan looks for and may not find.
  return error.kind === 'not_found' ? EXECUTION_REASONS.noSuchAgent : error.code
}
