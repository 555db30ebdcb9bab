import { Injectable } from '@nestjs/common'
import type { FieldError } from '#kernel/app-error.js'
import type { RunRequester } from '#modules/runs'
import type { Tx } from '#platform/database/tx.js'
import { SchedulePolicies } from '../policy/schedule-policies.service.js'
import { invalidSchedule, scheduleEnded } from '../scheduler.errors.js'
import type { TimingLimits } from '../timing/timing-problem.js'
import { ScheduleChecks } from './schedule-checks.service.js'
import { draftChange, draftSchedule, type ScheduleChange } from './schedule-draft.js'
import { findChangeProblems, findLostTime, findTimeProblems } from './schedule-problems.js'
import { type RunWords, settingsAfter, settingsFrom } from './schedule-settings.js'
import type { ScheduleRecord } from './schedule.js'
import type { ChangeScheduleCommand, CreateScheduleCommand } from './schedules.schemas.js'

/** Who asks for what, at which moment of the database's clock. */
export interface DraftRequest<Command> {
  readonly requester: RunRequester
  readonly command: Command
  /** Why no run of it could be made. */
  readonly runProblems: readonly FieldError[]
  readonly now: Date
}

/** Decides what a schedule's row will be, and writes nothing. All that is wrong is told at once. */
@Injectable()
export class ScheduleDrafts {
  constructor(
    private readonly checks: ScheduleChecks,
    private readonly policies: SchedulePolicies,
  ) {}

  /** Why no run of it could be made now. Outside of transactions. */
  findRunProblems(requester: RunRequester, words: RunWords): Promise<readonly FieldError[]> {
    return this.checks.findRunProblems(requester, words)
  }

  /** Until `tx` ends nobody else adds one. @throws AppError `validation_failed` for one more than a tenant may have */
  assertRoom(tenantId: string, tx: Tx): Promise<void> {
    return this.checks.assertRoom(tenantId, tx)
  }

  /** @throws AppError `validation_failed`, `project_archived` */
  async create(request: DraftRequest<CreateScheduleCommand>, tx: Tx): Promise<ScheduleRecord> {
    const { requester, command, runProblems, now } = request
    const project = await this.checks.claimProject(command.project, tx)
    const settings = settingsFrom(command, project.id ?? null)
    const timeProblems = findTimeProblems(settings, await this.limitsOf(requester, now, tx))
    assertNone([...runProblems, ...project.problems, ...timeProblems])
    return draftSchedule({ settings, isActive: command.active, requester, now })
  }

  /** Null when nothing changes. @throws AppError `validation_failed`, `schedule_ended`, `project_archived`, `project_deleted` */
  async change(
    before: ScheduleRecord,
    request: DraftRequest<ChangeScheduleCommand>,
    tx: Tx,
  ): Promise<ScheduleChange | null> {
    const { requester, command, runProblems, now } = request
    const project = await this.checks.claimProject(command.project, tx)
    const settings = settingsAfter(before, command, project.id)
    const lostTime = findLostTime(before, command)
    const timeProblems = findChangeProblems(before, settings, await this.limitsOf(requester, now, tx))
    assertNone([...runProblems, ...project.problems, ...lostTime, ...timeProblems])
    const change = draftChange(before, { settings, isActive: command.active ?? before.isActive, requester, now })
    const isResumed = change?.after.isActive && !before.isActive
    if (isResumed && change.after.endedReason !== null) throw scheduleEnded()
    // One that waits for no time does not keep its project from being archived or deleted.
    const isStarted = change?.after.nextRunAt && !before.nextRunAt
    if (isStarted) await this.checks.claimAgain(settings.projectId, tx)
    return change
  }

  private async limitsOf({ tenantId }: RunRequester, now: Date, tx: Tx): Promise<TimingLimits> {
    const { minIntervalSeconds } = await this.policies.of(tenantId, tx)
    return { now, minIntervalSeconds }
  }
}

function assertNone(problems: readonly FieldError[]): void {
  if (problems.length > 0) throw invalidSchedule(problems)
}
