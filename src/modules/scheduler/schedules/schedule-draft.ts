import { isDeepStrictEqual } from 'node:util'
import { newId } from '#kernel/ids.js'
import { jitterMs } from '../timing/jitter.js'
import type { RunRequester } from '#modules/runs'
import type { SchedulePlace, ScheduleRecord, ScheduleSettings } from './schedule.js'
import { placeAfter } from './schedule-place.js'
import { haveSameTimes, settingsOf } from './schedule-settings.js'

/** What a schedule becomes. */
export interface ScheduleChange {
  readonly after: ScheduleRecord
  /** More than whether it is active. */
  readonly areSettingsNew: boolean
  /** Its next time was reckoned anew. */
  readonly isPlacedAnew: boolean
}

/** Who asks for a change, when, and for what. */
export interface ChangeRequest {
  readonly settings: ScheduleSettings
  readonly isActive: boolean
  readonly requester: RunRequester
  readonly now: Date
}

/** The row of a new schedule. */
export function draftSchedule({ settings, isActive, requester, now }: ChangeRequest): ScheduleRecord {
  const { tenantId, userId, apiKeyId } = requester
  const id = newId()
  const base = { ...settings, id, executions: 0, anchorAt: now }
  return {
    ...settings,
    ...placed(base, { isActive, cursorAt: now }),
    tenantId,
    id,
    isActive,
    userId,
    apiKeyId,
    pausedReason: null,
    consecutiveFailures: 0,
    lastFiredAt: null,
    revision: 1,
    createdAt: now,
    updatedAt: now,
  }
}

/** The row after a change; null: nothing changes. */
export function draftChange(before: ScheduleRecord, request: ChangeRequest): ScheduleChange | null {
  const { settings, isActive, requester, now } = request
  const areSettingsNew = !isDeepStrictEqual(settingsOf(before), settings)
  const isResumed = isActive && !before.isActive
  const isPaused = !isActive && before.isActive
  if (!areSettingsNew && !isResumed && !isPaused) return null
  const place = findPlace(before, request)
  const after = {
    ...before,
    ...settings,
    ...place,
    isActive,
    ...((isResumed || isPaused) && { pausedReason: null }),
    ...(isResumed && { consecutiveFailures: 0 }),
    ...((areSettingsNew || isResumed) && { userId: requester.userId, apiKeyId: requester.apiKeyId }),
    revision: before.revision + 1,
    updatedAt: now,
  }
  return { after, areSettingsNew, isPlacedAnew: place !== null }
}

/** Where it stands after a change; null: where it stood. */
function findPlace(before: ScheduleRecord, { settings, isActive, now }: ChangeRequest): SchedulePlace | null {
  const base = { ...before, ...settings }
  // Other times hold for what is due from now on.
  if (!haveSameTimes(before, settings))
    return placed({ ...base, anchorAt: now }, { isActive, cursorAt: pendingSince(base, now) })
  // Nobody has waited for the times that were due meanwhile; one whose jitter is not over yet is still to come.
  if (isActive && !before.isActive) return placed(base, { isActive, cursorAt: pendingSince(base, now) })
  // It was over: what would have been due since never was.
  const isRevived = before.endedReason !== null && !haveSameBounds(before, settings)
  if (isRevived) return placed(base, { isActive, cursorAt: now })
  if (isActive !== before.isActive || !haveSameBounds(before, settings)) {
    return placed(base, { isActive, cursorAt: before.cursorAt })
  }
  return null
}

/** Up to which nominal time nothing is to come that is due later than `now`, and not dealt with. */
function pendingSince({ id, jitterSeconds, cursorAt }: ScheduleRecord, now: Date): Date {
  return new Date(Math.max(cursorAt.getTime(), now.getTime() - jitterMs(id, jitterSeconds)))
}

function haveSameBounds(one: ScheduleSettings, other: ScheduleSettings): boolean {
  return (
    one.jitterSeconds === other.jitterSeconds &&
    one.endsAt?.getTime() === other.endsAt?.getTime() &&
    one.maxExecutions === other.maxExecutions
  )
}

/** One that is paused waits for no time. */
function placed(
  schedule: Parameters<typeof placeAfter>[0],
  { isActive, cursorAt }: { isActive: boolean; cursorAt: Date },
): SchedulePlace {
  const place = placeAfter(schedule, cursorAt)
  return isActive ? place : { ...place, nextNominalAt: null, nextRunAt: null }
}
