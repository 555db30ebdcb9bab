import { Injectable } from '@nestjs/common'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import type { RunInput } from '../run.entity.js'
import type { RunOutput } from '../runs.schemas.js'
import { toStorableJson, toStorableText } from '../storable.js'

/** Who holds a run: the number grows with each claim, so a late worker's writes match nothing. */
export interface Claim {
  readonly tenantId: string
  readonly runId: string
  readonly fencingNumber: string
}

/** A run that this replica has claimed, with what it needs to be worked on. */
export interface ClaimedRun extends Claim {
  readonly projectId: string | null
  readonly agent: string
  readonly agentVersion: number
  readonly task: string
  readonly context: string | null
  readonly model: string
  readonly input: RunInput
  readonly userId: string | null
  readonly apiKeyId: string | null
  readonly attempt: number
  readonly startedAt: Date
}

/** How a run ended. */
export interface Settlement {
  readonly status: 'completed' | 'failed'
  readonly output: RunOutput | null
  readonly error: { readonly code: string; readonly detail: string } | null
  readonly inputTokens: number
  readonly cachedInputTokens: number
  readonly outputTokens: number
  readonly reasoningTokens: number
  readonly costUsd: string | null
  readonly finishedAt: Date
}

const MS_PER_SECOND = 1000

/** The engine's statements on `runs`. Leases are on the database's clock, which all replicas share. */
@Injectable()
export class EngineRepository {
  constructor(private readonly database: Database) {}

  /** Takes a run that waits, or whose worker has gone silent; null when somebody else has it or it is finished. */
  async claim(
    run: { tenantId: string; runId: string; leaseMs: number; now: Date },
    tx: Tx,
  ): Promise<ClaimedRun | null> {
    const rows = await tx.query<ClaimedRun>({
      name: 'run_claim',
      text: `UPDATE runs
                SET status = 'running', attempt = attempt + 1, fencing_number = fencing_number + 1,
                    started_at = coalesce(started_at, $4), lease_expires_at = now() + $3 * interval '1 ms'
              WHERE tenant_id = $1 AND id = $2
                AND (status = 'pending' OR (status = 'running' AND lease_expires_at < now()))
          RETURNING tenant_id AS "tenantId", id AS "runId", fencing_number AS "fencingNumber", project_id AS "projectId",
                    agent, agent_version AS "agentVersion", task, context, model, input, user_id AS "userId",
                    api_key_id AS "apiKeyId", attempt,
                    started_at AS "startedAt"`,
      values: [run.tenantId, run.runId, run.leaseMs, run.now],
    })
    return rows[0] ?? null
  }

  /** Renews the leases of one tenant's runs; gives the ids that are still ours. */
  async extendLeases(claims: readonly Claim[], leaseMs: number, tx: Tx): Promise<Set<string>> {
    const rows = await tx.query<{ id: string }>({
      text: `UPDATE runs r SET lease_expires_at = now() + $1 * interval '1 ms'
               FROM unnest($2::uuid[], $3::bigint[]) AS held (id, fencing_number)
              WHERE r.tenant_id = $4 AND r.id = held.id AND r.fencing_number = held.fencing_number
                AND r.status = 'running'
          RETURNING r.id`,
      values: [
        leaseMs,
        claims.map(({ runId }) => runId),
        claims.map(({ fencingNumber }) => fencingNumber),
        claims[0]?.tenantId,
      ],
    })
    return new Set(rows.map(({ id }) => id))
  }

  /** Ends a run; false when the claim is not the latest any more, and nothing was written. */
  async settle(claim: Claim, settlement: Settlement, tx: Tx): Promise<boolean> {
    const { output, error } = settlement
    const changed = await tx.execute({
      name: 'run_settle',
      text: `UPDATE runs
                SET status = $4, output = $5, error_code = $6, error_detail = $7, input_tokens = $8,
                    cached_input_tokens = $9, output_tokens = $10, reasoning_tokens = $11, cost_usd = $12,
                    finished_at = $13, lease_expires_at = NULL
              WHERE tenant_id = $1 AND id = $2 AND fencing_number = $3 AND status = 'running'`,
      values: [
        claim.tenantId,
        claim.runId,
        claim.fencingNumber,
        settlement.status,
        output && toStorableJson(output),
        error?.code ?? null,
        error && toStorableText(error.detail),
        settlement.inputTokens,
        settlement.cachedInputTokens,
        settlement.outputTokens,
        settlement.reasoningTokens,
        settlement.costUsd,
        settlement.finishedAt,
      ],
    })
    return changed === 1
  }

  /** Hands a run back as if it had never been taken: the attempt is not counted. */
  async release(claim: Claim, tx: Tx): Promise<void> {
    await tx.execute({
      text: `UPDATE runs SET status = 'pending', attempt = attempt - 1, lease_expires_at = NULL,
                    started_at = CASE WHEN attempt > 1 THEN started_at END
              WHERE tenant_id = $1 AND id = $2 AND fencing_number = $3 AND status = 'running'`,
      values: [claim.tenantId, claim.runId, claim.fencingNumber],
    })
  }

  /** Runs of all tenants that nobody works on: the worker is gone, or the wake-up was lost. Oldest first. */
  listOrphans({
    limit,
    pendingMs,
  }: {
    limit: number
    pendingMs: number
  }): Promise<Pick<Claim, 'tenantId' | 'runId'>[]> {
    return this.database.workers.read(
      { purpose: 'runs.sweep' },
      {
        text: `SELECT tenant_id AS "tenantId", id AS "runId" FROM runs
                WHERE status IN ('pending', 'running')
                  AND (lease_expires_at < now()
                       OR (status = 'pending' AND created_at < now() - $2 * interval '1 s'))
                ORDER BY created_at LIMIT $1`,
        values: [limit, pendingMs / MS_PER_SECOND],
      },
    )
  }
}
