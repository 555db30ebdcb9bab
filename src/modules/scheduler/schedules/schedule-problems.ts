import type { FieldError } from '#kernel/app-error.js'
import { nextAfter } from '../timing/timing.js'
import { findTimingProblem, type TimingLimits } from '../timing/timing-problem.js'
import type { ScheduleRecord, ScheduleSettings } from './schedule.js'
import { timingOf } from './schedule-place.js'
import { haveSameTimes } from './schedule-settings.js'
import type { ChangeScheduleCommand } from './schedules.schemas.js'

/** What is wrong with when a new schedule is to be due. */
export function findTimeProblems(settings: ScheduleSettings, limits: TimingLimits): FieldError[] {
  const timing = timingOf({ ...settings, anchorAt: limits.now })
  const problem = findTimingProblem(timing, limits)
  const timingErrors = problem ? [{ pointer: `/${problem.field}`, detail: problem.detail }] : []
  const first = problem ? null : nextAfter(timing, limits.now)
  return [...timingErrors, ...findEndProblems(settings, limits.now, first)]
}

/** The same of a change, for what it changes: what was allowed once stays allowed until somebody touches it. */
export function findChangeProblems(
  before: ScheduleRecord,
  after: ScheduleSettings,
  limits: TimingLimits,
): FieldError[] {
  const { now } = limits
  const isRetimed = !haveSameTimes(before, after)
  const isEndNew = before.endsAt?.getTime() !== after.endsAt?.getTime()
  const spent = isRetimed || before.maxExecutions !== after.maxExecutions ? findSpent(before, after) : []
  if (isRetimed) return [...findTimeProblems(after, limits), ...spent]
  if (!isEndNew) return spent
  const next = before.nextNominalAt ?? nextAfter(timingOf(before), now)
  return [...findEndProblems(after, now, next), ...spent]
}

/** A kind of time that is taken away with none in its place. */
export function findLostTime(before: ScheduleSettings, command: ChangeScheduleCommand): FieldError[] {
  const kinds = ['cron', 'everySeconds', 'runAt'] as const
  const isReplaced = kinds.some((kind) => command[kind] != null)
  const lost = isReplaced ? [] : kinds.filter((kind) => command[kind] === null && before[kind] !== null)
  return lost.map((kind) => ({
    pointer: `/${kind}`,
    detail: 'can only be cleared by another of cron, everySeconds, runAt',
  }))
}

function findEndProblems({ endsAt }: ScheduleSettings, now: Date, first: Date | null): FieldError[] {
  if (endsAt === null) return []
  if (endsAt <= now) return [{ pointer: '/endsAt', detail: 'must be in the future' }]
  if (first === null || first <= endsAt) return []
  return [{ pointer: '/endsAt', detail: `is before the next due time, ${first.toISOString()}` }]
}

function findSpent({ executions }: ScheduleRecord, { maxExecutions }: ScheduleSettings): FieldError[] {
  if (maxExecutions === null || executions < maxExecutions) return []
  return [{ pointer: '/maxExecutions', detail: `must be more than the ${executions} that there have been` }]
}
