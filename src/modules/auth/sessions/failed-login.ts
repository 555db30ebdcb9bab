export const FAILED_LOGINS_QUEUE = 'auth.failed-logins'

/** A failed sign-in on its way to the audit log; the same job whether or not anyone has the address. */
export interface FailedLogin {
  readonly email: string
  readonly isLocked: boolean
  readonly requestId: string
  readonly address?: string
}
