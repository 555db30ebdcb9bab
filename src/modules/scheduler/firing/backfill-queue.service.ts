import { Injectable } from '@nestjs/common'
import { ProjectDirectory } from '#modules/projects'
import type { Tx } from '#platform/database/tx.js'
import type { ScheduleRecord } from '../schedules/schedule.js'
import { BackfillRepository, type DueTime } from './backfill.repository.js'
import { ScheduleBell } from './schedule-bell.service.js'
import type { Requester } from './turn-rows.js'

/** Has due times of the past wait for their runs, of a schedule whose row is locked. */
@Injectable()
export class BackfillQueue {
  constructor(
    private readonly executions: BackfillRepository,
    private readonly projects: ProjectDirectory,
    private readonly bell: ScheduleBell,
  ) {}

  /** @returns how many wait that did not @throws AppError `project_archived`, `project_deleted` */
  async add(schedule: ScheduleRecord, due: readonly DueTime[], requester: Requester, tx: Tx): Promise<number> {
    // At its end, it does not keep its project open.
    if (schedule.projectId !== null) await this.projects.claimAgain(schedule.projectId, tx)
    const queued = await this.executions.queue(schedule, due, requester, tx)
    // From the rows, whatever becomes of this process.
    await this.executions.wake(schedule, tx)
    await this.bell.ring(tx)
    return queued
  }
}
