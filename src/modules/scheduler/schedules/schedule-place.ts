import { jitterMs } from '../timing/jitter.js'
import { nextAfter, type Timing } from '../timing/timing.js'
import type { EndedReason, SchedulePlace, ScheduleRecord, ScheduleTimes } from './schedule.js'

type Placed = Pick<ScheduleRecord, 'id' | 'jitterSeconds' | 'endsAt' | 'maxExecutions' | 'executions' | 'anchorAt'> &
  ScheduleTimes

/** How a schedule's times follow from what its owner says. */
export function timingOf({
  cron,
  everySeconds,
  runAt,
  timezone,
  anchorAt,
}: ScheduleTimes & { anchorAt: Date }): Timing {
  if (cron !== null) return { kind: 'cron', cron, timezone }
  if (everySeconds !== null) return { kind: 'interval', everySeconds, anchor: anchorAt }
  if (runAt !== null) return { kind: 'once', runAt }
  throw new Error('a schedule without any time')
}

/** Where a schedule stands that has dealt with all nominal times up to `cursorAt`, and is not paused. */
export function placeAfter(schedule: Placed, cursorAt: Date): SchedulePlace {
  const { anchorAt, executions } = schedule
  const nominal = nextAfter(timingOf(schedule), cursorAt)
  const endedReason = findEnd(schedule, nominal)
  const nextNominalAt = endedReason === null ? nominal : null
  const nextRunAt = nextNominalAt && dueAt(schedule, nextNominalAt)
  return { anchorAt, cursorAt, nextNominalAt, nextRunAt, executions, endedReason }
}

/** When a nominal time is due. */
export function dueAt({ id, jitterSeconds }: Pick<Placed, 'id' | 'jitterSeconds'>, nominalAt: Date): Date {
  return new Date(nominalAt.getTime() + jitterMs(id, jitterSeconds))
}

function findEnd({ maxExecutions, executions, endsAt }: Placed, nominal: Date | null): EndedReason | null {
  if (maxExecutions !== null && executions >= maxExecutions) return 'max_executions'
  if (nominal === null) return 'no_more_times'
  return endsAt !== null && nominal > endsAt ? 'ends_at' : null
}
