import { Injectable } from '@nestjs/common'
import { newId } from '#kernel/ids.js'
import { ProjectDirectory } from '#modules/projects'
import { type PlannedRun, RunOrders } from '#modules/runs'
import type { Tx } from '#platform/database/tx.js'
import { EXECUTION_REASONS } from '../executions/execution.js'
import type { ExecutionRow } from '../executions/execution-view.js'
import { ExecutionsRepository } from '../executions/executions.repository.js'
import type { ScheduleRecord } from '../schedules/schedule.js'
import { admit } from './admission.js'
import type { LockedRow, Requester } from './turn-rows.js'
import { TurnWritesRepository } from './turn-writes.repository.js'

/** An execution that somebody wants now, of a schedule whose row is locked. */
export interface RequestedExecution {
  readonly schedule: ScheduleRecord
  readonly row: LockedRow
  readonly requester: Requester
  readonly run: PlannedRun
}

/** Makes executions that no due time asks for. */
@Injectable()
export class RequestedExecutions {
  constructor(
    private readonly orders: RunOrders,
    private readonly projects: ProjectDirectory,
    private readonly writes: TurnWritesRepository,
    private readonly executions: ExecutionsRepository,
  ) {}

  /** By the schedule's overlap policy. @throws AppError `project_archived`, `project_deleted` */
  async add({ schedule, row, requester, run }: RequestedExecution, tx: Tx): Promise<ExecutionRow> {
    const { id: scheduleId, projectId } = schedule
    const { userId, apiKeyId } = requester
    // Paused or at its end, it does not keep its project open.
    if (projectId !== null) await this.projects.claimAgain(projectId, tx)
    const open = { running: openOf(row).length, queued: Number(row.queued) }
    const { execution, stopsRunning } = admit(schedule.overlap, open, true)
    const { status, reason } = execution
    const id = newId()
    const runId = execution.run === 'start' ? newId() : null
    if (runId !== null) await this.orders.add([{ runId, plan: run, projectId, scheduleId, at: row.now }], tx)
    const times = { nominalAt: row.now, dueAt: row.now }
    const isQueued = execution.run === 'queue'
    const trigger = 'manual'
    await this.writes.add(
      [{ id, scheduleId, trigger, ...times, status, reason, runId, isQueued, userId, apiKeyId }],
      tx,
    )
    if (stopsRunning) await this.stop(schedule, row, tx)
    return this.executions.get(schedule, id, tx)
  }

  /** Runs first, and in their order: as whoever ends one locks them. */
  private async stop({ tenantId }: ScheduleRecord, row: LockedRow, tx: Tx): Promise<void> {
    const open = openOf(row).toSorted((a, b) => (a.runId < b.runId ? -1 : 1))
    for (const { runId } of open) await this.orders.stop({ tenantId, runId }, row.now, tx)
    const ids = open.map(({ id }) => id)
    await this.writes.giveReason(ids, EXECUTION_REASONS.replaced, tx)
  }
}

function openOf({ running }: LockedRow): { id: string; runId: string }[] {
  return running.flatMap(({ id, runId, end }) => (runId !== null && end === null ? [{ id, runId }] : []))
}
