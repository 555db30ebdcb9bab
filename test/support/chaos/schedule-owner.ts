import { PASSWORD } from '../test-user.js'
import type { Owner } from '../schedule-rows.js'
import type { Replicas } from './replicas.js'

/** Somebody with a tenant of his own, in whose name schedules run. */
export async function registerOwner(replicas: Replicas, name: string): Promise<Owner> {
  const response = await replicas.request('/v1/auth/register', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email: `${name}@example.com`, password: PASSWORD }),
  })
  if (!response.ok) throw new Error(`register: ${response.status} ${await response.text()}`)
  const { user, tenant } = (await response.json()) as { user: { id: string }; tenant: { id: string } }
  return { tenantId: tenant.id, userId: user.id }
}
