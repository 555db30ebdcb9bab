import type { NewOwner } from './new-owner.js'

/** The queue of registrations whose address is still to be looked up. */
export const REGISTRATIONS_QUEUE = 'auth.registrations'
/** A registration that waits. Sealed, for it has the hash of a password. */
export interface PendingRegistration extends NewOwner {
  readonly passwordHash: string
}

export interface RegistrationJobData {
  readonly sealed: string
  readonly requestId: string
  readonly address?: string
}

/** Where the registration of this user to be is sealed, once its link is on its way. */
export function placeOf(userId: string): string {
  return `pending_registrations/${userId}`
}
