import { Injectable } from '@nestjs/common'
import type { Tx } from '#platform/database/tx.js'

/** What runs and their steps have cost, anew from the entries of each model call; runs with all that they delegated. */
@Injectable()
export class RunCostsRepository {
  /**
   * For these runs and all above them: the sum, once nothing in it is without a price. Locked from the top down, as whoever books
   * does, so that an entry is either in the sum or added to it.
   */
  async addUp(tenantId: string, runIds: readonly string[], tx: Tx): Promise<void> {
    const concerned = await tx.query<{ id: string }>({
      name: 'run_costs_upwards',
      // OFFSET 0: looked up run by run. Who plans it cannot know how few they are, and would rather read them all.
      text: `WITH RECURSIVE upwards AS (
               SELECT id, parent_run_id FROM runs WHERE tenant_id = $1 AND id = ANY ($2)
               UNION
               SELECT r.id, r.parent_run_id
                 FROM upwards u,
                      LATERAL (SELECT id, parent_run_id FROM runs WHERE tenant_id = $1 AND id = u.parent_run_id OFFSET 0) AS r
             )
             SELECT id FROM upwards`,
      values: [tenantId, runIds],
    })
    const values = [tenantId, concerned.map(({ id }) => id)]
    await tx.query({
      name: 'run_costs_lock',
      text: 'SELECT 1 FROM runs WHERE tenant_id = $1 AND id = ANY ($2) ORDER BY id FOR NO KEY UPDATE',
      values,
    })
    await tx.execute({
      name: 'run_costs_add_up',
      text: `WITH RECURSIVE trees AS (
               SELECT id AS top, id FROM runs WHERE tenant_id = $1 AND id = ANY ($2)
               UNION ALL
               SELECT t.top, c.id
                 FROM trees t, LATERAL (SELECT id FROM runs WHERE tenant_id = $1 AND parent_run_id = t.id OFFSET 0) AS c
             ), sums AS (
               SELECT t.top, sum(own.cost_usd) AS cost_usd
                 FROM trees t,
                      LATERAL (SELECT sum(cost_usd) AS cost_usd, bool_or(cost_usd IS NULL) AS is_open
                                 FROM cost_tracking WHERE tenant_id = $1 AND run_id = t.id) AS own
                GROUP BY t.top HAVING NOT coalesce(bool_or(own.is_open), false)
             )
             UPDATE runs SET cost_usd = sums.cost_usd FROM sums
              WHERE tenant_id = $1 AND runs.id = ANY ($2) AND runs.id = sums.top`,
      values,
    })
    await tx.execute({
      name: 'run_costs_of_steps',
      text: `UPDATE run_steps SET cost_usd = sums.cost_usd
               FROM (SELECT run_id, step, sum(cost_usd) AS cost_usd FROM cost_tracking
                      WHERE tenant_id = $1 AND run_id = ANY ($2) AND step IS NOT NULL
                      GROUP BY run_id, step HAVING bool_and(cost_usd IS NOT NULL)) AS sums
              WHERE run_steps.tenant_id = $1 AND run_steps.run_id = ANY ($2) AND run_steps.run_id = sums.run_id
                AND run_steps.position = sums.step AND run_steps.cost_usd IS DISTINCT FROM sums.cost_usd`,
      values: [tenantId, runIds],
    })
  }
}
