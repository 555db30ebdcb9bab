import { Injectable } from '@nestjs/common'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import type { Claim } from './claimed-run.js'
import { ROOT_PLACE } from './root-place.js'

type RunKey = Pick<Claim, 'tenantId' | 'runId'>

/** Runs as trees. */
@Injectable()
export class DelegationsRepository {
  constructor(private readonly database: Database) {}

  /** Slugs of the agents that a run's task came down from. */
  async listAncestorAgents({ tenantId, runId }: RunKey): Promise<string[]> {
    const rows = await this.database.workers.read<{ agent: string }>(
      { tenantId },
      {
        name: 'run_ancestor_agents',
        text: `WITH RECURSIVE line AS (
                 SELECT parent_run_id, agent FROM runs WHERE tenant_id = $1 AND id = $2
                 UNION ALL
                 SELECT r.parent_run_id, r.agent FROM runs r JOIN line l ON r.id = l.parent_run_id WHERE r.tenant_id = $1
               )
               SELECT agent FROM line`,
        values: [tenantId, runId],
      },
    )
    return rows.map(({ agent }) => agent)
  }

  async findRootCreatedAt({ tenantId, rootRunId }: { tenantId: string; rootRunId: string }): Promise<Date> {
    const rows = await this.database.workers.read<{ createdAt: Date }>(
      { tenantId },
      {
        name: 'run_root_created_at',
        text: 'SELECT created_at AS "createdAt" FROM runs WHERE tenant_id = $1 AND id = $2',
        values: [tenantId, rootRunId],
      },
    )
    const root = rows[0]
    if (!root) throw new Error('a run without its root')
    return root.createdAt
  }

  /**
   * Queues the parent of a run that has just ended, if it waits for its children and this was the last. Its row must be locked.
   * @returns whether it is queued now
   */
  async queueParent({ tenantId, runId }: RunKey, tx: Tx): Promise<boolean> {
    const changed = await tx.execute({
      name: 'run_queue_parent',
      text: `UPDATE runs r SET queued_since = ${ROOT_PLACE}
              WHERE r.tenant_id = $1 AND r.id = (SELECT c.parent_run_id FROM runs c WHERE c.tenant_id = $1 AND c.id = $2)
                AND r.status = 'running' AND r.lease_expires_at IS NULL AND r.queued_since IS NULL
                AND NOT EXISTS (SELECT 1 FROM runs c WHERE c.tenant_id = $1 AND c.parent_run_id = r.id AND c.finished_at IS NULL)`,
      values: [tenantId, runId],
    })
    return changed === 1
  }

  /**
   * Queues a run about which a person has decided, and gives it and its ancestors the time back that this took: once, where
   * several of their children waited at the same time.
   * @returns whether it waited; a run that is being worked on will find the decision by itself
   */
  async queueDecided({ tenantId, runId }: RunKey, now: Date, tx: Tx): Promise<boolean> {
    await tx.query({
      name: 'run_lock_line',
      text: `WITH RECURSIVE line AS (
               SELECT id, parent_run_id FROM runs WHERE tenant_id = $1 AND id = $2
               UNION ALL
               SELECT r.id, r.parent_run_id FROM runs r JOIN line l ON r.id = l.parent_run_id WHERE r.tenant_id = $1
             )
             SELECT r.id FROM runs r JOIN line l ON l.id = r.id WHERE r.tenant_id = $1 ORDER BY r.id FOR NO KEY UPDATE OF r`,
      values: [tenantId, runId],
    })
    const changed = await tx.execute({
      name: 'run_queue_decided',
      text: `WITH RECURSIVE waiting AS (
               SELECT id, parent_run_id, waiting_since, $3::timestamptz - waiting_since AS waited FROM runs
                WHERE tenant_id = $1 AND id = $2 AND status = 'waiting_approval'
             ), line AS (
               SELECT id, parent_run_id FROM waiting
               UNION ALL
               SELECT r.id, r.parent_run_id FROM runs r JOIN line l ON r.id = l.parent_run_id WHERE r.tenant_id = $1
             ), given_back AS (
               UPDATE runs r SET time_given_until = $3,
                      deadline_at = r.deadline_at + greatest(interval '0', $3 - greatest(w.waiting_since, r.time_given_until))
                 FROM waiting w, line l
                WHERE r.tenant_id = $1 AND r.id = l.id AND r.id <> w.id
             )
             UPDATE runs r SET status = 'running', waiting_since = NULL, deadline_at = r.deadline_at + w.waited,
                    queued_since = ${ROOT_PLACE}
               FROM waiting w WHERE r.tenant_id = $1 AND r.id = w.id`,
      values: [tenantId, runId, now],
    })
    return changed === 1
  }
}
