import { Injectable } from '@nestjs/common'
import { Database } from '#platform/database/database.js'

/** What the sweep deletes, by table: the policies of `auth.sweep` open rows that are over, and no others. */
const STATEMENTS = {
  // Refresh tokens go with their session.
  sessions: `DELETE FROM sessions WHERE (tenant_id, id) IN
               (SELECT tenant_id, id FROM sessions WHERE expires_at < now() ORDER BY expires_at LIMIT $1)`,
  one_time_tokens: `DELETE FROM one_time_tokens WHERE token_hash IN
               (SELECT token_hash FROM one_time_tokens WHERE expires_at < now() ORDER BY expires_at LIMIT $1)`,
  pending_registrations: `DELETE FROM pending_registrations WHERE token_hash IN
               (SELECT token_hash FROM pending_registrations WHERE expires_at < now() ORDER BY expires_at LIMIT $1)`,
  invitations: `DELETE FROM invitations WHERE (tenant_id, id) IN
               (SELECT tenant_id, id FROM invitations WHERE expires_at < now() - interval '30 days'
                 ORDER BY expires_at LIMIT $1)`,
  // A token that comes again after that is refused, but ends its session no more.
  refresh_tokens: `DELETE FROM refresh_tokens WHERE (tenant_id, token_hash) IN
               (SELECT tenant_id, token_hash FROM refresh_tokens WHERE used_at < now() - interval '30 days'
                 ORDER BY used_at LIMIT $1)`,
  login_attempts: `DELETE FROM login_attempts WHERE email_hash IN
               (SELECT email_hash FROM login_attempts WHERE last_failed_at < now() - interval '1 day'
                 ORDER BY last_failed_at LIMIT $1)`,
} as const

export type SweptTable = keyof typeof STATEMENTS
export const SWEPT_TABLES = Object.keys(STATEMENTS) as readonly SweptTable[]

/** Deletes across all tenants what has run out. */
@Injectable()
export class AuthSweepRepository {
  constructor(private readonly database: Database) {}

  /** One batch. @returns how many rows went */
  deleteExpired(table: SweptTable, limit: number): Promise<number> {
    const statement = { text: STATEMENTS[table], values: [limit] }
    return this.database.workers.transaction({ purpose: 'auth.sweep' }, (tx) => tx.execute(statement))
  }
}
