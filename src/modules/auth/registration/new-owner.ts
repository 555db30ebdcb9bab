import { newId } from '#kernel/ids.js'
import type { Account } from '../accounts/accounts.repository.js'

export interface NewOwner {
  readonly userId: string
  readonly email: string
  readonly name?: string | undefined
  readonly tenantName?: string | undefined
}

/** A user as he registers, and the tenant that he gets. @param emailVerifiedAt null: he has proved nothing */
export function newOwner(
  { userId, email, name, tenantName }: NewOwner,
  now: Date,
  emailVerifiedAt: Date | null = null,
): Account {
  const user = { id: userId, email, name: name ?? null, emailVerifiedAt, createdAt: now, updatedAt: now }
  const tenant = { id: newId(), name: tenantName ?? `${name ?? email.split('@')[0]}'s team`, createdAt: now }
  const membership = { tenantId: tenant.id, userId, role: 'owner' as const, createdAt: now, disabledAt: null }
  return { user, tenant, membership }
}
