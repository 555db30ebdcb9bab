import { Injectable } from '@nestjs/common'
import { DatabaseError } from 'pg'
import { Database, type PoolName } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import type { Spender } from '../rules/spending-rules.js'
import type { WorstCase } from './worst-case.js'

/** What a run has reserved before its first call: the next reservation takes its place. */
export const BEFORE_FIRST_CALL = 0
const NO_ROOM_SQLSTATE = 'TN402'

/** Who is about to spend how much at worst. */
export interface Expense extends Spender {
  readonly tenantId: string
  readonly worst: WorstCase
  readonly moment: Date
}

/** For which call. */
export interface Reservation extends Expense {
  readonly runId: string
  readonly step: number
}

interface SweptTenant {
  readonly tenantId: string
  readonly minAgeMs: number
  readonly minLostMs: number
}

/** Output tokens that are paid for; or the budget that has not room. */
type Attempt = { readonly granted: number; readonly refusedBy: null } | { readonly refusedBy: string }

/** `budget_reservations`, by the functions that keep the counters in step: see the migration. */
@Injectable()
export class BudgetReservationsRepository {
  constructor(private readonly database: Database) {}

  /** @returns the output tokens that are paid for; Infinity: no hard budget counts them. The transaction fails where a budget has not room: see {@link findRefusal} */
  async reserve(reservation: Reservation, tx: Tx): Promise<number> {
    const rows = await tx.query<{ granted: string | null }>({
      name: 'budget_reserve',
      text: 'SELECT reserve_budgets($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) AS granted',
      values: valuesOf(reservation),
    })
    return toTokens(rows[0]?.granted)
  }

  /** Gives back what {@link reserve} has reserved, in the same transaction. */
  async release({ tenantId, runId, step }: Reservation, tx: Tx): Promise<void> {
    await tx.execute({
      name: 'budget_release',
      text: 'SELECT free_reservations($1, ARRAY[$2::uuid], ARRAY[$3::integer])',
      values: [tenantId, runId, step],
    })
  }

  /** The same as a transaction of its own, of a worker. */
  async tryReserve(reservation: Reservation): Promise<Attempt> {
    const { tenantId } = reservation
    const rows = await this.database.workers.flight({ tenantId }, (tx) =>
      tx.query<{ granted: string | null; refusedBy: string | null }>({
        name: 'budget_try_reserve',
        text: `SELECT granted, refused_by AS "refusedBy"
                 FROM try_reserve_budgets($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
        values: valuesOf(reservation),
      }),
    )
    const { granted = null, refusedBy = null } = rows[0] ?? {}
    return refusedBy === null ? { granted: toTokens(granted), refusedBy } : { refusedBy }
  }

  /**
   * The budget that has least room, where that is less than the least that this can cost; null: there is room in all.
   * @param isReservedLeft what is reserved for others counts as theirs; else it is taken for what will be free again
   */
  async findTight(
    { tenantId, projectId, agent, apiKeyId, worst, moment }: Expense,
    isReservedLeft: boolean,
    pool: PoolName,
  ): Promise<string | null> {
    const rows = await this.database[pool].read<{ id: string }>(
      { tenantId },
      {
        name: 'budget_tight',
        text: `SELECT b.id FROM budgets b
                 LEFT JOIN budget_periods p ON p.tenant_id = $1 AND p.budget_id = b.id
                  AND p.period_start = budget_period_start(b.period, budget_timezone($1), $5)
                CROSS JOIN LATERAL (SELECT b.limit_usd - coalesce(p.spent_usd, 0)
                                         - CASE WHEN $9 THEN 0
                                                ELSE budget_reserved($1, b.id, budget_period_start(b.period, budget_timezone($1), $5)) END AS usd) AS room
                WHERE b.tenant_id = $1 AND b.is_hard AND room.usd < $6::numeric + $7::numeric * $8::bigint
                  AND (b.scope, b.target) IN (('tenant', ''), ('project', $2), ('agent', $3), ('apiKey', $4))
                ORDER BY room.usd LIMIT 1`,
        values: [
          tenantId,
          projectId,
          agent,
          apiKeyId,
          moment,
          worst.inputUsd.toString(),
          worst.usdPerOutputToken.toString(),
          worst.minTokens,
          isReservedLeft,
        ],
      },
    )
    return rows[0]?.id ?? null
  }

  /** Has it told that a budget has refused something: once in a period. */
  async noteRefusal({ tenantId, id }: { tenantId: string; id: string }, moment: Date, tx: Tx): Promise<void> {
    await tx.query({
      name: 'budget_note_refusal',
      text: `WITH refusing AS (
               SELECT b.id, budget_period_start(b.period, budget_timezone($1), $3) AS since
                 FROM budgets b
                WHERE b.tenant_id = $1 AND b.id = $2
                  -- Most have been told of: then nothing is locked.
                  AND NOT EXISTS (SELECT FROM budget_alerts a
                                   WHERE a.tenant_id = $1 AND a.budget_id = $2 AND a.kind = 'exceeded'
                                     AND a.period_start = budget_period_start(b.period, budget_timezone($1), $3))
                  FOR KEY SHARE
             ), told AS (
               INSERT INTO budget_alerts (tenant_id, budget_id, period_start, kind, percent, spent_usd, reached_at)
               SELECT $1, r.id, r.since, 'exceeded', 100, coalesce(p.spent_usd, 0), $3
                 FROM refusing r
                 LEFT JOIN budget_periods p ON p.tenant_id = $1 AND p.budget_id = r.id AND p.period_start = r.since
                   ON CONFLICT DO NOTHING
            RETURNING budget_id
             )
             SELECT pg_notify('budget_alerts', '') FROM told`,
      values: [tenantId, id, moment],
    })
  }

  /** Tenants that have reservations of more than some seconds ago, behind `after`. */
  async listTenants(after: string, limit: number): Promise<string[]> {
    const rows = await this.database.workers.read<{ tenantId: string }>(
      { purpose: 'budgets.sweep' },
      {
        name: 'budget_sweep_tenants',
        text: `SELECT DISTINCT tenant_id AS "tenantId" FROM budget_reservations
                WHERE tenant_id > $1 AND created_at < now() - interval '5 seconds' ORDER BY tenant_id LIMIT $2`,
        values: [after, limit],
      },
    )
    return rows.map(({ tenantId }) => tenantId)
  }

  /** Frees what is reserved for runs that nobody works on, `minLostMs` after their lease was over; what is younger than `minAgeMs` stays. */
  async sweep({ tenantId, minAgeMs, minLostMs }: SweptTenant): Promise<void> {
    await this.database.workers.transaction({ tenantId }, (tx) =>
      tx.execute({
        name: 'budget_sweep',
        text: `SELECT sweep_reservations($1, $2 * interval '1 ms', $3 * interval '1 ms')`,
        values: [tenantId, minAgeMs, minLostMs],
      }),
    )
  }
}

/** The id of the budget that had not room for a reservation; null: this is another error. */
export function findRefusal(error: unknown): string | null {
  return error instanceof DatabaseError && error.code === NO_ROOM_SQLSTATE ? (error.detail ?? null) : null
}

function valuesOf({ tenantId, runId, step, projectId, agent, apiKeyId, worst, moment }: Reservation): unknown[] {
  const { inputUsd, usdPerOutputToken, maxTokens, minTokens } = worst
  const money = [inputUsd.toString(), usdPerOutputToken.toString(), maxTokens, minTokens]
  return [tenantId, runId, step, projectId, agent, apiKeyId, ...money, moment]
}

function toTokens(granted: string | null | undefined): number {
  return granted === null ? Infinity : Number(granted)
}
