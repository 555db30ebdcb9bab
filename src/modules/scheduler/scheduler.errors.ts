import { AppError } from '#kernel/app-error.js'

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
