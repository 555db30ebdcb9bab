import { AppError, type FieldError } from '#kernel/app-error.js'

/** The same for another tenant's, for one that is deleted, and for one that never was. */
export function noSuchSchedule(): AppError {
  return new AppError('not_found', 'not_found', { detail: 'There is no such schedule.' })
}

export function scheduleEnded(): AppError {
  return new AppError('schedule_ended', 'conflict', {
    detail:
      'No due time of this schedule is to come: give it another cron, everySeconds, runAt, endsAt or maxExecutions.',
  })
}

/** The same for one of another schedule, of another tenant, and for one that never was. */
export function noSuchExecution(): AppError {
  return new AppError('not_found', 'not_found', { detail: 'There is no such execution.' })
}

/** @param errors at least one */
export function invalidSchedule(errors: readonly FieldError[]): AppError {
  return new AppError('validation_failed', 'invalid', { detail: 'The request has invalid fields.', errors })
}

export function schedulePaused(): AppError {
  return new AppError('schedule_paused', 'conflict', { detail: 'This schedule is paused: resume it first.' })
}

export function tooManyWaiting(limit: number): AppError {
  return new AppError('too_many_waiting', 'conflict', {
    detail: `At most ${limit} executions of a schedule wait at once: some are still to be made up for.`,
  })
}

/** Something that the schedule stands on is gone. */
export function scheduleUnrunnable(detail: string): AppError {
  return new AppError('schedule_unrunnable', 'conflict', { detail: `Its run cannot be made: ${detail}` })
}

/** Others change it faster than this request could. */
export function scheduleBusy(): AppError {
  return new AppError('unavailable', 'unavailable', {
    detail: 'This schedule is being changed by others: try again.',
    retryAfterSeconds: 1,
  })
}
