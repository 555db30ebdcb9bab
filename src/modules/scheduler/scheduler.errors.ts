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

/** Something of the schedule is due again and again, however often we see to it. */
export function scheduleBusy(): AppError {
  return new AppError('unavailable', 'unavailable', {
    detail: 'This schedule is busy at this moment: try again.',
    retryAfterSeconds: 1,
  })
}
