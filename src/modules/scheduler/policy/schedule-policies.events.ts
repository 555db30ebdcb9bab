import { type AuditFacts, AuditedEvent } from '#platform/events/audited-event.js'
import type { SchedulePolicy } from './schedule-policies.schemas.js'

/** A tenant decides otherwise how often its schedules may be due. */
export class SchedulePolicyChanged extends AuditedEvent {
  override readonly type = 'schedule.policy_changed'
  readonly audit: AuditFacts

  constructor(
    readonly tenantId: string,
    { before, after }: { before: SchedulePolicy; after: SchedulePolicy },
  ) {
    super()
    this.audit = {
      action: 'schedule_policy_changed',
      resource: { type: 'schedule_policy', id: tenantId },
      before: { ...before },
      after: { ...after },
    }
  }
}
