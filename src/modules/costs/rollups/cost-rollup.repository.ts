import { Injectable } from '@nestjs/common'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'

const FIRST_ID = '00000000-0000-0000-0000-000000000000'

const COUNTS = [
  'executions',
  'unpriced',
  'input_tokens',
  'cached_input_tokens',
  'cache_write_tokens',
  'output_tokens',
  'reasoning_tokens',
  'cost_usd',
  'cache_hits',
  'saved_usd',
] as const
const NAMES = COUNTS.join(', ')
const SUMS = COUNTS.map((name) => `sum(${name})`).join(', ')
const ADDED = COUNTS.map((name) => `${name} = s.${name} + excluded.${name}`).join(', ')

/** What is taken out of the tail is in both tables of sums, or neither has happened. */
const ROLL_UP = `WITH taken AS (
    DELETE FROM cost_tail
     WHERE tenant_id = $1 AND id = ANY (ARRAY(SELECT id FROM cost_tail WHERE tenant_id = $1 ORDER BY id LIMIT $2))
    RETURNING date_trunc('hour', created_at, 'UTC') AS hour, agent, model, project_id, user_id, api_key_id, ${NAMES}
  ), summed AS (
    INSERT INTO cost_hourly AS s (tenant_id, hour, agent, model, ${NAMES})
    SELECT $1, hour, agent, model, ${SUMS} FROM taken GROUP BY hour, agent, model
        ON CONFLICT (tenant_id, hour, agent, model) DO UPDATE SET ${ADDED}
  ), detailed AS (
    INSERT INTO cost_hourly_detail AS s (tenant_id, id, hour, agent, model, project_id, user_id, api_key_id, ${NAMES})
    SELECT $1, uuid_at(hour), hour, agent, model, project_id, user_id, api_key_id, ${SUMS}
      FROM taken GROUP BY hour, agent, model, project_id, user_id, api_key_id
        ON CONFLICT (tenant_id, hour, agent, model, project_id, user_id, api_key_id) DO UPDATE SET ${ADDED}
  )
  SELECT count(*)::integer AS count FROM taken`

/** `cost_tail` and the hourly sums that it goes into. */
@Injectable()
export class CostRollupRepository {
  constructor(private readonly database: Database) {}

  /**
   * Tenants with something in the tail, by id: the next ones behind `after`, null: the first. One descent in the index each,
   * however much of one there is.
   */
  async listTenants({ after, limit }: { after: string | null; limit: number }): Promise<string[]> {
    const rows = await this.database.workers.read<{ tenantId: string }>(
      { purpose: 'costs.rollup' },
      {
        name: 'cost_rollup_tenants',
        text: `WITH RECURSIVE tenants AS (
                 (SELECT tenant_id FROM cost_tail WHERE tenant_id > $1 ORDER BY tenant_id LIMIT 1)
                 UNION ALL
                 SELECT next.tenant_id FROM tenants, LATERAL (SELECT tenant_id FROM cost_tail
                  WHERE tenant_id > tenants.tenant_id ORDER BY tenant_id LIMIT 1) AS next
               )
               SELECT tenant_id AS "tenantId" FROM tenants LIMIT $2`,
        values: [after ?? FIRST_ID, limit],
      },
    )
    return rows.map(({ tenantId }) => tenantId)
  }

  /** Moves up to `limit` rows of a tenant into the sums. @returns how many; 0 also while another replica is at it */
  rollUp({ tenantId, limit }: { tenantId: string; limit: number }): Promise<number> {
    return this.database.workers.transaction({ tenantId }, async (tx) => {
      if (!(await this.takeTurn(tenantId, tx))) return 0
      const [taken] = await tx.query<{ count: number }>({
        name: 'cost_roll_up',
        text: ROLL_UP,
        values: [tenantId, limit],
      })
      return taken?.count ?? 0
    })
  }

  /**
   * One at a time in a tenant, so that nobody waits for another's rows. What is exact does not hang on it: a row is deleted, and
   * so counted, once.
   */
  private async takeTurn(tenantId: string, tx: Tx): Promise<boolean> {
    const [turn] = await tx.query<{ isOurs: boolean }>({
      name: 'cost_rollup_turn',
      text: `SELECT pg_try_advisory_xact_lock(hashtextextended('costs.rollup/' || $1, 0)) AS "isOurs"`,
      values: [tenantId],
    })
    return turn?.isOurs === true
  }
}
