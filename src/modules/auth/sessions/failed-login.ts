export const FAILED_LOGINS_QUEUE = 'auth.failed-logins'

/** Why a sign-in failed, where it was not a wrong password. `password_change`: a wrong one, but by who is signed in. */
export type FailureReason = 'password_change' | 'email_unverified' | 'suspended' | 'not_a_member'

/** A failed sign-in on its way to the audit log; the same job whether or not anyone has the address. */
export interface FailedLogin {
  readonly email: string
  readonly isLocked: boolean
  readonly reason?: FailureReason
}

/** Sealed: who tried to sign in is nothing for a dump of the database. */
export interface FailedLoginJobData {
  readonly sealed: string
  readonly requestId: string
  readonly address?: string
}
