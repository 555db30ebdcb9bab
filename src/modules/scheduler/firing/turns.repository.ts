import { Injectable } from '@nestjs/common'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import type { ScheduleKey } from '../schedules/schedule.js'
import { SCHEDULE_COLUMNS } from '../schedules/schedule-columns.js'
import { TZ_DATABASE_VERSION } from '../timing/tz-database.js'
import type { TenantSchedules } from './tenant-schedules.js'
import type { LockedRow, UpcomingRow } from './turn-rows.js'

/**
 * What turns are for: `asked`, somebody waits for them; `ready`, there is something to do; or what is due at a moment to come and
 * has nothing else to do before it. But for the first, schedules that somebody else holds are left out.
 */
export type TurnOccasion = 'asked' | 'ready' | { readonly dueAt: Date }

/** Of those that wait, as many as one turn looks at. */
const MAX_WAITING_READ = 10
/** A turn is prepared for what becomes due while it is, or at a moment to come. */
const PREPARED_AHEAD_MS = 1000
const PREPARED_CROWD_MS = 60_000
const LOCK_TIMEOUT_MS = 2000
/** A replica that stands still holds up others no longer than this. */
const IDLE_TIMEOUT_MS = 3000
/** Those that are due now go before those that are made up for. */
const WAITING_ORDER = `e.trigger = 'backfill', e.queued_since, e.nominal_at, e.id`
const OPEN = `e.tenant_id = s.tenant_id AND e.schedule_id = s.id AND e.status = 'running'`

/** Nothing of it is under way, and it knows of all that has ended. */
const AT_REST = `NOT EXISTS (SELECT 1 FROM task_executions e WHERE ${OPEN})
  AND NOT EXISTS (SELECT 1 FROM task_executions e WHERE e.tenant_id = s.tenant_id AND e.schedule_id = s.id AND e.is_uncounted)`

/** Its next time is by an older version of the time zone database than `$3`. Only cron knows zones. */
const STALE = 's.cron IS NOT NULL AND s.next_run_at IS NOT NULL AND s.tz_version < $3'
/** Others may have seen to it since the look that found it ready. */
const READY = `(s.next_run_at <= clock_timestamp() OR s.is_woken OR (${STALE}) OR EXISTS (SELECT 1 FROM task_executions e
  WHERE e.tenant_id = s.tenant_id AND e.schedule_id = s.id AND e.is_uncounted))`

/** Reads schedules for their turns, each tenant's in its own scope, and those of several in one message. */
@Injectable()
export class TurnsRepository {
  constructor(private readonly database: Database) {}

  /**
   * Deleted ones, too, where ends of theirs are to be taken note of. Nothing is locked: what is prepared holds for the revision that was read.
   */
  async listUpcoming(schedules: readonly TenantSchedules[], occasion: TurnOccasion = 'asked'): Promise<UpcomingRow[]> {
    const { suffix, condition, values } = conditionOf(occasion, '$6')
    const aheadMs = typeof occasion === 'string' ? PREPARED_AHEAD_MS : PREPARED_CROWD_MS
    const rows = await this.database.timers.flight({}, (tx) =>
      Promise.all(
        schedules.map(({ tenantId, ids }) =>
          tx.within({ tenantId }, () =>
            tx.query<UpcomingRow>({
              name: `schedules_upcoming${suffix}`,
              text: `SELECT ${SCHEDULE_COLUMNS}, coalesce(s.next_run_at <= now() + $5 * interval '1 ms' OR (${STALE}), false) AS "isDue",
                            clock_timestamp() AS now, s.deleted_at IS NOT NULL AS "isDeleted",
                            ARRAY(SELECT jsonb_build_object('userId', e.user_id, 'apiKeyId', e.api_key_id) FROM task_executions e
                                   WHERE ${OPEN} AND e.queued_since IS NOT NULL ORDER BY ${WAITING_ORDER} LIMIT $4) AS "waitingFor"
                       FROM scheduled_tasks s
                      WHERE s.tenant_id = $1 AND s.id = ANY($2) AND ${condition ?? 's.deleted_at IS NULL'}`,
              values: [tenantId, ids, TZ_DATABASE_VERSION, MAX_WAITING_READ, aheadMs, ...values],
            }),
          ),
        ),
      ),
    )
    return rows.flat()
  }

  /**
   * Locks schedules until `tx` ends, and reads how they stand then. In this order, and in two statements: what is read belongs to
   * the lock only if it is read after it.
   */
  async lock(schedules: readonly TenantSchedules[], occasion: TurnOccasion, tx: Tx): Promise<LockedRow[]> {
    const [, ...rows] = await Promise.all([
      // Runs to be stopped, and a schedule that a request waits for: whoever holds them for longer holds up others.
      tx.query({
        name: 'turn_timeouts',
        text: `SELECT set_config('lock_timeout', $1, true), set_config('idle_in_transaction_session_timeout', $2, true)`,
        values: [String(LOCK_TIMEOUT_MS), String(IDLE_TIMEOUT_MS)],
      }),
      ...schedules.map((some) => tx.within({ tenantId: some.tenantId }, () => this.lockOf(some, occasion, tx))),
    ])
    return rows.flat()
  }

  /** Ends of runs whose schedule is deleted concern nobody any more. */
  async forgetEnds({ tenantId, ids }: TenantSchedules): Promise<void> {
    await this.database.timers.transaction({ tenantId }, (tx) =>
      tx.execute({
        name: 'executions_forget',
        text: `UPDATE task_executions e SET is_uncounted = false FROM scheduled_tasks s
                WHERE s.tenant_id = $1 AND s.id = ANY($2) AND s.deleted_at IS NOT NULL
                  AND e.tenant_id = s.tenant_id AND e.schedule_id = s.id AND e.is_uncounted`,
        values: [tenantId, ids],
      }),
    )
  }

  /** Whether somebody holds it at this moment. */
  async isHeld({ tenantId, id }: ScheduleKey): Promise<boolean> {
    const rows = await this.database.timers.flight({ tenantId }, (tx) =>
      tx.query<{ isHeld: boolean }>({
        name: 'schedule_is_held',
        text: `WITH free AS (SELECT 1 FROM scheduled_tasks WHERE tenant_id = $1 AND id = $2 FOR NO KEY UPDATE SKIP LOCKED)
               SELECT EXISTS (SELECT 1 FROM scheduled_tasks WHERE tenant_id = $1 AND id = $2)
                      AND NOT EXISTS (SELECT 1 FROM free) AS "isHeld"`,
        values: [tenantId, id],
      }),
    )
    return rows[0]?.isHeld ?? false
  }

  /** Holds what `tx` has written back until a moment. @returns when it went on, which may be later */
  async waitUntil(moment: Date, tx: Tx): Promise<Date> {
    const [, rows] = await Promise.all([
      tx.query({
        name: 'turns_wait',
        text: 'SELECT pg_sleep(greatest(0, extract(epoch FROM $1::timestamptz - clock_timestamp())))',
        values: [moment],
      }),
      tx.query<{ now: Date }>({ name: 'turns_clock', text: 'SELECT clock_timestamp() AS now' }),
    ])
    return rows[0]?.now ?? moment
  }

  private async lockOf({ tenantId, ids }: TenantSchedules, occasion: TurnOccasion, tx: Tx): Promise<LockedRow[]> {
    const claim = conditionOf(occasion, '$3')
    const standing = conditionOf(occasion, '$5')
    const [locked, rows] = await Promise.all([
      tx.query<{ id: string }>({
        name: `schedules_lock${claim.suffix}`,
        text: `SELECT s.id FROM scheduled_tasks s WHERE s.tenant_id = $1 AND s.id = ANY($2) AND s.deleted_at IS NULL
                 ${claim.condition ? `AND ${claim.condition}` : ''} ORDER BY s.id
                 FOR NO KEY UPDATE OF s ${occasion === 'asked' ? '' : 'SKIP LOCKED'}`,
        values: [tenantId, ids, ...(occasion === 'ready' ? [TZ_DATABASE_VERSION] : claim.values)],
      }),
      tx.query<LockedRow>({
        name: `schedules_standing${standing.suffix}`,
        text: `SELECT s.id, s.revision, s.is_active AS "isActive", s.paused_reason AS "pausedReason", s.ended_reason AS "endedReason",
                      s.cursor_at AS "cursorAt", s.next_nominal_at AS "nextNominalAt", s.next_run_at AS "nextRunAt",
                      s.executions, s.consecutive_failures AS "consecutiveFailures", coalesce(${STALE}, false) AS "isStale",
                      clock_timestamp() AS now,
                      ARRAY(SELECT jsonb_build_object('id', e.id, 'runId', r.id, 'errorCode', r.error_code, 'end',
                                     CASE WHEN r.id IS NULL THEN 'failed' WHEN r.finished_at IS NOT NULL THEN r.status END)
                              FROM task_executions e LEFT JOIN runs r ON r.tenant_id = e.tenant_id AND r.id = e.run_id
                             WHERE ${OPEN} AND e.queued_since IS NULL) AS running,
                      ARRAY(SELECT jsonb_build_object('id', e.id, 'userId', e.user_id, 'apiKeyId', e.api_key_id)
                              FROM task_executions e WHERE ${OPEN} AND e.queued_since IS NOT NULL
                             ORDER BY ${WAITING_ORDER} LIMIT $4) AS waiting,
                      waits.total AS "waitingCount", waits.queued,
                      ARRAY(SELECT jsonb_build_object('id', e.id, 'status', e.status, 'reason', e.reason) FROM task_executions e
                             WHERE e.tenant_id = s.tenant_id AND e.schedule_id = s.id AND e.is_uncounted
                             ORDER BY e.finished_at, e.id) AS ends
                 FROM scheduled_tasks s CROSS JOIN LATERAL (
                      SELECT count(*) AS total, count(*) FILTER (WHERE e.trigger <> 'backfill') AS queued FROM task_executions e
                       WHERE ${OPEN} AND e.queued_since IS NOT NULL) AS waits
                WHERE s.tenant_id = $1 AND s.id = ANY($2) ${standing.condition ? `AND ${standing.condition}` : ''}`,
        values: [tenantId, ids, TZ_DATABASE_VERSION, MAX_WAITING_READ, ...standing.values],
      }),
    ])
    const held = new Set(locked.map(({ id }) => id))
    return rows.filter(({ id }) => held.has(id))
  }
}

/** Which schedules an occasion is for, in SQL; `dueAt` goes into the parameter of that name. */
function conditionOf(
  occasion: TurnOccasion,
  parameter: string,
): { suffix: string; condition: string | null; values: readonly Date[] } {
  if (occasion === 'asked') return { suffix: '', condition: null, values: [] }
  if (occasion === 'ready') return { suffix: '_ready', condition: READY, values: [] }
  // No index can find `IS NOT DISTINCT FROM`: that of due times would give all tenants' schedules that are due then, to each tenant.
  const condition = `s.next_run_at IS NOT DISTINCT FROM ${parameter} AND NOT s.is_woken AND ${AT_REST}`
  return { suffix: '_ahead', condition, values: [occasion.dueAt] }
}
