import { Injectable } from '@nestjs/common'
import type { Tx } from '#platform/database/tx.js'
import type { RunFacts } from '../run-facts.js'

/** A run that somebody wants to stop, and how it stands. Its row is locked. */
export interface StoppableRun extends RunFacts {
  readonly status: 'pending' | 'running' | 'waiting_approval'
  /** Somebody works on it, or did until he was lost: it is for him, or for whoever takes it up, to count what was used and to end it. */
  readonly isHeld: boolean
  readonly startedAt: Date | null
  readonly inputTokens: number
  readonly outputTokens: number
  readonly costUsd: string | null
}

interface StoppableRow extends Omit<StoppableRun, 'inputTokens' | 'outputTokens'> {
  inputTokens: string
  outputTokens: string
}

/** Runs with all that they delegated, to be stopped together. */
@Injectable()
export class RunTreesRepository {
  /** Ids of the run and all below it, finished ones too; nothing is locked. */
  async listIds(tenantId: string, runId: string, tx: Tx): Promise<string[]> {
    const rows = await tx.query<{ id: string }>({
      name: 'run_tree_ids',
      text: `WITH RECURSIVE tree AS (
               SELECT id FROM runs WHERE tenant_id = $1 AND id = $2
               UNION ALL
               SELECT c.id FROM runs c JOIN tree t ON c.parent_run_id = t.id WHERE c.tenant_id = $1
             )
             SELECT id FROM tree`,
      values: [tenantId, runId],
    })
    return rows.map(({ id }) => id)
  }

  /** Those that are not finished, locked from the top down: ids grow with time, so a child's is above its parent's. */
  async lockUnfinished(tenantId: string, runIds: readonly string[], tx: Tx): Promise<StoppableRun[]> {
    const rows = await tx.query<StoppableRow>({
      name: 'run_tree_lock',
      text: `SELECT id AS "runId", agent, agent_version AS "agentVersion", model, parent_run_id AS "parentRunId",
                    schedule_id AS "scheduleId", status,
                    lease_expires_at IS NOT NULL AS "isHeld",
                    started_at AS "startedAt", input_tokens AS "inputTokens", output_tokens AS "outputTokens",
                    cost_usd AS "costUsd"
               FROM runs WHERE tenant_id = $1 AND id = ANY($2) AND finished_at IS NULL ORDER BY id FOR NO KEY UPDATE`,
      values: [tenantId, runIds],
    })
    return rows.map(({ inputTokens, outputTokens, ...run }) =>
      Object.assign(run, { inputTokens: Number(inputTokens), outputTokens: Number(outputTokens) }),
    )
  }

  async requestStop(tenantId: string, runIds: readonly string[], now: Date, tx: Tx): Promise<void> {
    await tx.execute({
      name: 'run_request_stop',
      text: `UPDATE runs SET cancel_requested_at = coalesce(cancel_requested_at, $3) WHERE tenant_id = $1 AND id = ANY($2)`,
      values: [tenantId, runIds, now],
    })
  }

  /** Ends runs that nobody works on, with the last entries of their logs. A late worker's number is void from now on. */
  async endNow(tenantId: string, runIds: readonly string[], now: Date, tx: Tx): Promise<void> {
    const values = [tenantId, runIds, now]
    await tx.execute({
      name: 'run_end_now',
      text: `UPDATE runs SET status = 'cancelled', finished_at = $3, cancel_requested_at = coalesce(cancel_requested_at, $3),
                    queued_since = NULL, waiting_since = NULL, fencing_number = fencing_number + 1, last_event = last_event + 1
              WHERE tenant_id = $1 AND id = ANY($2)`,
      values,
    })
    await tx.execute({
      name: 'run_end_steps_now',
      text: `UPDATE run_steps SET status = 'cancelled', finished_at = $3
              WHERE tenant_id = $1 AND run_id = ANY($2) AND status = 'running'`,
      values,
    })
    await tx.execute({
      name: 'run_end_events_now',
      text: `INSERT INTO run_events (tenant_id, run_id, sequence, type, data, created_at)
             SELECT tenant_id, id, last_event, 'run.cancelled', jsonb_build_object(
                      'usage', jsonb_build_object('inputTokens', input_tokens, 'cachedInputTokens', cached_input_tokens,
                        'outputTokens', output_tokens, 'reasoningTokens', reasoning_tokens),
                      'costUsd', trim_scale(cost_usd)::text,
                      'durationMs', round(extract(epoch FROM $3::timestamptz - started_at) * 1000)), $3
               FROM runs WHERE tenant_id = $1 AND id = ANY($2)`,
      values,
    })
  }
}
