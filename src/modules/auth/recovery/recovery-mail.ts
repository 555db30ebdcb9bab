/** The queue whose jobs say "this address asked for a mail": the same job whether or not anyone has the address. */
export const RECOVERY_MAILS_QUEUE = 'auth.recovery-mails'

export interface RecoveryMail {
  readonly template: 'password_reset' | 'email_verification' | 'already_registered'
  readonly email: string
}
