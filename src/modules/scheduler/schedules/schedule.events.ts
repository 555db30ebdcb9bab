import { isDeepStrictEqual } from 'node:util'
import { type Actor, type AuditFacts, AuditedEvent } from '#platform/events/audited-event.js'
import type { MissedTimes } from './missed-times.js'
import type { EndedReason, PausedReason, ScheduleRecord } from './schedule.js'

const SYSTEM: Actor = { type: 'system', id: null }

/** Which schedule it is. */
export interface ScheduleFacts {
  readonly scheduleId: string
  readonly name: string
  readonly agent: string
}

abstract class ScheduleEvent extends AuditedEvent {
  readonly tenantId: string
  readonly schedule: ScheduleFacts
  abstract override readonly audit: AuditFacts

  constructor({ tenantId, id, name, agent }: ScheduleRecord) {
    super()
    this.tenantId = tenantId
    this.schedule = { scheduleId: id, name, agent }
  }

  protected get resource(): AuditFacts['resource'] {
    return { type: 'schedule', id: this.schedule.scheduleId }
  }
}

export class ScheduleCreated extends ScheduleEvent {
  override readonly type = 'schedule.created'
  readonly audit: AuditFacts

  constructor(schedule: ScheduleRecord) {
    super(schedule)
    this.audit = { action: 'schedule_created', resource: this.resource, after: factsOf(schedule) }
  }
}

export class ScheduleChanged extends ScheduleEvent {
  override readonly type = 'schedule.changed'
  readonly audit: AuditFacts

  constructor(before: ScheduleRecord, after: ScheduleRecord) {
    super(after)
    this.audit = {
      action: 'schedule_changed',
      resource: this.resource,
      before: factsOf(before),
      // Both can hold anything, so that they are not shown.
      after: {
        ...factsOf(after),
        isTaskNew: before.task !== after.task,
        isInputNew: !isDeepStrictEqual(before.input, after.input),
      },
    }
  }
}

export class ScheduleDeleted extends ScheduleEvent {
  override readonly type = 'schedule.deleted'
  readonly audit: AuditFacts

  constructor(schedule: ScheduleRecord) {
    super(schedule)
    this.audit = { action: 'schedule_deleted', resource: this.resource, before: factsOf(schedule) }
  }
}

/** A schedule does nothing until somebody resumes it. */
export class SchedulePaused extends ScheduleEvent {
  override readonly type = 'schedule.paused'
  readonly audit: AuditFacts

  /** @param reason null: a person wants it so */
  constructor(
    schedule: ScheduleRecord,
    readonly reason: PausedReason | null,
  ) {
    super(schedule)
    this.audit = {
      action: 'schedule_paused',
      ...(reason !== null && { actor: SYSTEM }),
      resource: this.resource,
      before: { active: true },
      after: { active: false, reason },
    }
  }
}

export class ScheduleResumed extends ScheduleEvent {
  override readonly type = 'schedule.resumed'
  readonly audit: AuditFacts

  constructor(schedule: ScheduleRecord) {
    super(schedule)
    this.audit = {
      action: 'schedule_resumed',
      resource: this.resource,
      before: { active: false },
      after: { active: true },
    }
  }
}

/** Somebody has an execution made that no due time asks for. */
export class ScheduleTriggered extends ScheduleEvent {
  override readonly type = 'schedule.triggered'
  readonly audit: AuditFacts

  constructor(schedule: ScheduleRecord, executionId: string) {
    super(schedule)
    this.audit = { action: 'schedule_triggered', resource: this.resource, after: { executionId } }
  }
}

/** Somebody has due times of the past made up for. */
export class ScheduleBackfilled extends ScheduleEvent {
  override readonly type = 'schedule.backfilled'
  readonly audit: AuditFacts

  constructor(
    schedule: ScheduleRecord,
    after: { readonly from: string; readonly to: string; readonly queued: number },
  ) {
    super(schedule)
    this.audit = { action: 'schedule_backfilled', resource: this.resource, after }
  }
}

/** Due times of a schedule have passed while nobody looked, and are not made up for. Once for all of them. */
export class ScheduleMissed extends ScheduleEvent {
  override readonly type = 'schedule.missed'
  readonly audit: AuditFacts

  constructor(
    schedule: ScheduleRecord,
    readonly missed: MissedTimes,
  ) {
    super(schedule)
    const { count, firstDueAt, until } = missed
    this.audit = {
      action: 'schedule_missed',
      actor: SYSTEM,
      resource: this.resource,
      after: { count, firstDueAt: firstDueAt.toISOString(), until: until.toISOString() },
    }
  }
}

/** No due time is to come. */
export class ScheduleEnded extends ScheduleEvent {
  override readonly type = 'schedule.ended'
  readonly audit: AuditFacts

  constructor(
    schedule: ScheduleRecord,
    readonly reason: EndedReason,
  ) {
    super(schedule)
    this.audit = { action: 'schedule_ended', actor: SYSTEM, resource: this.resource, after: { reason } }
  }
}

/** Without task and context, which can hold anything. */
function factsOf({
  name,
  agent,
  cron,
  everySeconds,
  runAt,
  timezone,
  overlap,
  isActive,
  endsAt,
  ...rest
}: ScheduleRecord) {
  const { projectId, catchUpSeconds, jitterSeconds, maxExecutions, pauseAfterFailures, revision, userId, apiKeyId } =
    rest
  return {
    name,
    agent,
    cron,
    everySeconds,
    runAt: runAt && runAt.toISOString(),
    timezone,
    overlap,
    catchUpSeconds,
    jitterSeconds,
    endsAt: endsAt && endsAt.toISOString(),
    maxExecutions,
    pauseAfterFailures,
    active: isActive,
    revision,
    projectId,
    runsAs: { userId, apiKeyId },
  }
}
