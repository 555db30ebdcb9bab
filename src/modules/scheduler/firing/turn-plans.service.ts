import { Injectable } from '@nestjs/common'
import { AppError, type ErrorKind } from '#kernel/app-error.js'
import { StandingPermissions } from '#modules/auth'
import { type PlannedRun, RunOrders, type RunRequester } from '#modules/runs'
import { mayRunSchedules } from '../schedule-rights.js'
import { EXECUTION_REASONS } from '../executions/execution.js'
import { scheduleUnrunnable } from '../scheduler.errors.js'
import type { ScheduleRecord } from '../schedules/schedule.js'
import { keyOf, type RunPlan, uniqueRequesters } from './run-plan.js'

/** Errors that say that a run cannot be, and not that nobody could look. */
const REFUSALS: ReadonlySet<ErrorKind> = new Set(['invalid', 'not_found', 'payment_required', 'forbidden', 'conflict'])

/** Decides what the runs of schedules are, before anything is locked. */
@Injectable()
export class TurnPlans {
  constructor(
    private readonly permissions: StandingPermissions,
    private readonly orders: RunOrders,
  ) {}

  /**
   * Who may not start runs at this moment, of those in whose names they would be. By {@link keyOf}.
   * @param until may not by then, either, as far as it is known
   */
  async findRefusals(
    requesters: readonly RunRequester[],
    until: Date | null = null,
  ): Promise<ReadonlyMap<string, string | null>> {
    const unique = uniqueRequesters(requesters)
    const permissions = await this.permissions.of(unique, until)
    const refusals = unique.map((requester, index): [string, string | null] => {
      const mayRun = mayRunSchedules(permissions[index] ?? new Set())
      return [keyOf(requester), mayRun ? null : EXECUTION_REASONS.notPermitted]
    })
    return new Map(refusals)
  }

  /** @throws AppError where nobody could look: `unavailable`, `internal` */
  async plan(schedule: ScheduleRecord, requester: RunRequester): Promise<RunPlan> {
    try {
      const run = await this.order(schedule, requester)
      await this.orders.assertAffordable(run, schedule.projectId)
      return { run, refusal: null }
    } catch (error) {
      return { refusal: toRefusal(error) }
    }
  }

  /** For somebody who waits for it. @throws AppError `budget_exceeded`, `schedule_unrunnable` */
  async planOrThrow(schedule: ScheduleRecord, requester: RunRequester): Promise<PlannedRun> {
    const run = await this.orderOrThrow(schedule, requester)
    await this.orders.assertAffordable(run, schedule.projectId)
    return run
  }

  private order({ agent, task, input }: ScheduleRecord, requester: RunRequester): Promise<PlannedRun> {
    return this.orders.plan(requester, agent, { task, ...input })
  }

  private async orderOrThrow(schedule: ScheduleRecord, requester: RunRequester): Promise<PlannedRun> {
    try {
      return await this.order(schedule, requester)
    } catch (error) {
      if (!isRefusal(error)) throw error
      const fields = error.errors?.map(({ pointer, detail }) => `${pointer}: ${detail}`)
      throw scheduleUnrunnable(fields?.join(' ') ?? error.detail ?? error.code)
    }
  }
}

function isRefusal(error: unknown): error is AppError {
  return error instanceof AppError && REFUSALS.has(error.kind)
}

/** @throws what is no refusal */
function toRefusal(error: unknown): string {
  if (!isRefusal(error)) throw error
  // The agent is all that a plan looks for and may not find.
  return error.kind === 'not_found' ? EXECUTION_REASONS.noSuchAgent : error.code
}
