import type { Account } from './accounts.repository.js'
import type { Identity } from '../auth.schemas.js'

/** User, tenant and role as the API shows them. */
export function identityOf({ user, tenant, membership }: Account): Identity {
  return {
    user: { id: user.id, email: user.email, name: user.name, createdAt: user.createdAt.toISOString() },
    tenant: { id: tenant.id, name: tenant.name, createdAt: tenant.createdAt.toISOString() },
    role: membership.role,
  }
}
