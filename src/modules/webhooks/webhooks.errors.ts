import { AppError } from '#kernel/app-error.js'

/** The same for another tenant's endpoint, and one that is deleted, as for one that never was. */
export function noSuchWebhook(): AppError {
  return new AppError('not_found', 'not_found', { detail: 'There is no such webhook.' })
}
