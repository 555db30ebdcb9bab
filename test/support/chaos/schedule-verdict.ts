/** Asks the database as its superuser, past row-level security. */
export type Ask = <Row extends object>(text: string, values?: unknown[]) => Promise<Row[]>

/** Milliseconds between due and fired, both on the database's clock. */
export interface Lateness {
  readonly count: number
  readonly p50: number
  readonly p99: number
  readonly max: number
}

/** Due times that should have come to an execution: of intervals, by their own arithmetic, up to a moment. */
const EXPECTED = `SELECT s.tenant_id, s.id AS schedule_id, t.nominal_at
   FROM scheduled_tasks s CROSS JOIN LATERAL generate_series(s.anchor_at + s.every_seconds * interval '1 s', $1::timestamptz,
          s.every_seconds * interval '1 s') AS t (nominal_at)`
/** What is told of a fault: more of the same says nothing more. */
const EXAMPLES = 20

/**
 * What the tables say of schedules that fired while replicas died: of planted intervals without jitter, whose `allow` lets every
 * due time have its run. Also the bench's.
 */
export class ScheduleVerdict {
  private readonly ask: Ask
  private readonly until: Date

  /** @param until due times up to here are judged; later ones may still be under way */
  constructor(ask: Ask, until: Date) {
    this.ask = ask
    this.until = until
  }

  /** Executions up to the moment that are not over, and due times that have none yet. */
  async open(): Promise<number> {
    const [row] = await this.ask<{ open: number }>(
      `SELECT (SELECT count(*) FROM task_executions WHERE status = 'running' AND nominal_at <= $1)::int
            + (SELECT count(*) FROM scheduled_tasks WHERE next_run_at <= $1)::int AS open`,
      [this.until],
    )
    return row?.open ?? 0
  }

  async expected(): Promise<number> {
    const [row] = await this.ask<{ count: number }>(`SELECT count(*)::int AS count FROM (${EXPECTED}) AS expected`, [
      this.until,
    ])
    return row?.count ?? 0
  }

  /** Due times without an execution, and those that ended otherwise than with a completed run. */
  missed(): Promise<{ status: string | null; reason: string | null }[]> {
    return this.ask(
      `SELECT expected.schedule_id, expected.nominal_at, e.status, e.reason FROM (${EXPECTED}) AS expected
         LEFT JOIN task_executions e USING (tenant_id, schedule_id, nominal_at)
        WHERE e.status IS DISTINCT FROM 'completed' ORDER BY expected.nominal_at LIMIT ${EXAMPLES}`,
      [this.until],
    )
  }

  /** Due times with two executions or of no schedule's, executions without exactly one run, and runs that no execution has. */
  async repeated(): Promise<object[]> {
    const times = await this.ask(
      `SELECT e.schedule_id, e.nominal_at, count(*)::int AS executions FROM task_executions e
         LEFT JOIN (${EXPECTED}) AS expected USING (tenant_id, schedule_id, nominal_at)
        WHERE e.nominal_at <= $1 GROUP BY 1, 2 HAVING count(*) > 1 OR count(expected.nominal_at) = 0 LIMIT ${EXAMPLES}`,
      [this.until],
    )
    const runs = await this.ask(
      `SELECT coalesce(e.schedule_id, r.schedule_id) AS schedule_id, e.id AS execution_id, r.id AS run_id
         FROM (SELECT * FROM runs WHERE schedule_id IS NOT NULL) AS r
         FULL JOIN (SELECT * FROM task_executions WHERE run_id IS NOT NULL OR status IN ('running', 'completed')) AS e
           ON e.tenant_id = r.tenant_id AND e.run_id = r.id AND e.schedule_id = r.schedule_id
        WHERE e.id IS NULL OR r.id IS NULL LIMIT ${EXAMPLES}`,
    )
    return [...times, ...runs]
  }

  /** @param where which executions, in SQL; all when absent */
  async lateness(where = 'true'): Promise<Lateness> {
    const [row] = await this.ask<Lateness>(
      `SELECT count(*)::int AS count, percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) AS p50,
              percentile_cont(0.99) WITHIN GROUP (ORDER BY ms) AS p99, max(ms) AS max
         FROM (SELECT extract(epoch FROM fired_at - due_at)::float8 * 1000 AS ms FROM task_executions
                WHERE nominal_at <= $1 AND fired_at IS NOT NULL AND ${where}) AS late`,
      [this.until],
    )
    if (!row) throw new Error('an aggregate without a row')
    return row
  }
}
