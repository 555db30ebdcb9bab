import { newId } from '#kernel/ids.js'
import type { RunEvent, RunEventType } from '../../src/modules/runs/streaming/run-event.js'
import type { TestApp } from './test-app.js'
import type { TestUser } from './test-user.js'

/** A row of the log: what happened, or pieces of text that were stored together. */
export type StoredPart = { readonly type: RunEventType; readonly data?: object } | { readonly texts: readonly string[] }

/** A run that no worker has, whose events the test writes as a worker would. */
export class EventLog {
  private last = 0

  private constructor(
    private readonly app: TestApp,
    private readonly tenantId: string,
    readonly runId: string,
  ) {}

  static async begin(app: TestApp, { tenantId, userId }: Pick<TestUser, 'tenantId' | 'userId'>): Promise<EventLog> {
    const log = new EventLog(app, tenantId, newId())
    // Held by a worker that is never heard of again, for longer than any test takes.
    await app.sql(
      `INSERT INTO runs (tenant_id, id, root_run_id, agent, agent_version, status, task, model, input, cost_usd, cache,
                         user_id, metadata, created_at, started_at, attempt, fencing_number, lease_expires_at)
       VALUES ($1, $2, $2, 'developer', 1, 'running', 'Say something.', 'offline/extractive', '{}', 0, 'off',
               $3, '{}', now(), now(), 1, 1, now() + interval '1 hour')`,
      [tenantId, log.runId, userId],
    )
    return log
  }

  get lastSequence(): number {
    return this.last
  }

  /** Stores events, as one commit with one notification, unless `quietly`. */
  async store(parts: readonly StoredPart[], { quietly = false } = {}): Promise<void> {
    const rows = parts.map((part) => {
      this.last += 'texts' in part ? part.texts.length : 1
      return 'texts' in part
        ? { sequence: this.last, type: 'output.delta', data: { texts: part.texts } }
        : { sequence: this.last, type: part.type, data: part.data ?? {} }
    })
    const end = rows.map(({ type }) => ENDS[type]).find((status) => status !== undefined)
    await this.app.sql(
      `WITH added AS (
         INSERT INTO run_events (tenant_id, run_id, sequence, type, data, created_at)
         SELECT $1, $2, sequence, type, data, now()
           FROM jsonb_to_recordset($3::jsonb) AS e (sequence bigint, type text, data jsonb)),
       advanced AS (
         UPDATE runs SET last_event = $4, status = coalesce($5, status),
                         finished_at = CASE WHEN $5::text IS NULL THEN NULL ELSE now() END
          WHERE tenant_id = $1 AND id = $2)
       SELECT CASE WHEN $6 THEN NULL ELSE pg_notify('run_events', $2::text) END`,
      [this.tenantId, this.runId, JSON.stringify(rows), this.last, end ?? null, quietly],
    )
  }

  /** Skips numbers, as a worker does that goes on where another was killed. */
  skip(count: number): void {
    this.last += count
  }

  /** The next pieces of text as live events. They are not stored, and the next `store` gives them the same numbers. */
  live(texts: readonly string[]): RunEvent[] {
    return texts.map((text, index) => ({
      sequence: this.last + 1 + index,
      type: 'output.delta',
      data: { text },
      createdAt: new Date(),
    }))
  }
}

const ENDS: Record<string, string> = {
  'run.completed': 'completed',
  'run.failed': 'failed',
  'run.cancelled': 'cancelled',
}
