import { newId } from '#kernel/ids.js'
import { mintApiKey } from '../../src/modules/auth/api-keys/api-key.js'
import type { TestApp } from './test-app.js'
import type { TestUser } from './test-user.js'

/** A key of this user with these scopes, put into the database as it is: for tests whose subject is not the keys' own endpoints. */
export async function plantApiKey(app: TestApp, user: TestUser, scopes: readonly string[]): Promise<string> {
  const key = mintApiKey()
  await app.sql(
    `INSERT INTO api_keys (tenant_id, id, user_id, name, prefix, key_hash, scopes, created_at)
     VALUES ($1, $2, $3, 'planted', $4, $5, $6, now())`,
    [user.tenantId, newId(), user.userId, key.prefix, key.hash, scopes],
  )
  return key.text
}
