import { AppError } from '#kernel/app-error.js'

/** The same for another tenant's, for one that is deleted, and for one that never was. */
export function noSuchWebhook(): AppError {
  return new AppError('not_found', 'not_found', { detail: 'There is no such webhook.' })
}

export function webhookInactive(): AppError {
  return new AppError('webhook_inactive', 'conflict', {
    detail: 'This webhook is switched off or deleted, and is sent nothing: activate it first.',
  })
}
