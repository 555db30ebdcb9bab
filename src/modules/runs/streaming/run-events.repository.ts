import { Injectable } from '@nestjs/common'
import { Database } from '#platform/database/database.js'
import type { Scope } from '#platform/database/scope.js'
import type { RunStatus } from '../run-status.js'

/** A stored entry of a run's log. Pieces of text that came within a moment share one: see `event-rows.ts`. */
export interface EventRow {
  /** Of pieces that share a row: the number of the last. */
  readonly sequence: number
  readonly type: string
  readonly data: Readonly<Record<string, unknown>>
  readonly createdAt: Date
}

/** A part of a run's log, and how the run stood at that very moment. */
export interface EventRows {
  readonly status: RunStatus
  /** Number of the latest stored event; 0: none. */
  readonly lastEvent: number
  readonly finishedAt: Date | null
  /** In order. */
  readonly rows: EventRow[]
}

/** How far a run has come. */
export interface RunProgress {
  readonly runId: string
  readonly status: RunStatus
  readonly lastEvent: number
}

interface JoinedRow {
  readonly status: RunStatus
  readonly last_event: string
  readonly finished_at: Date | null
  readonly sequence: string | null
  readonly type: string
  readonly data: Record<string, unknown>
  readonly created_at: Date
}

/** The stored events of runs, as readers ask for them. */
@Injectable()
export class RunEventsRepository {
  constructor(private readonly database: Database) {}

  /** Up to `limit` rows that end after the event `after`; null when the tenant has no such run. One flight, one snapshot. */
  async list(
    { tenantId }: Scope,
    runId: string,
    { after, limit }: { after: number; limit: number },
  ): Promise<EventRows | null> {
    const joined = await this.database.read<JoinedRow>(
      { tenantId: tenantId! },
      {
        name: 'run_events_list',
        text: `SELECT r.status, r.last_event, r.finished_at, e.sequence, e.type, e.data, e.created_at
                 FROM runs r
                 LEFT JOIN LATERAL (
                   SELECT sequence, type, data, created_at FROM run_events
                    WHERE tenant_id = $1 AND run_id = $2 AND sequence > $3
                    ORDER BY sequence LIMIT $4) e ON true
                WHERE r.tenant_id = $1 AND r.id = $2
                ORDER BY e.sequence`,
        values: [tenantId, runId, after, limit],
      },
    )
    const [first] = joined
    if (!first) return null
    const rows = joined
      .filter(({ sequence }) => sequence !== null)
      .map(({ sequence, type, data, created_at: createdAt }) => ({ sequence: Number(sequence), type, data, createdAt }))
    return { status: first.status, lastEvent: Number(first.last_event), finishedAt: first.finished_at, rows }
  }

  /** How far these runs of one tenant have come: one statement, however many streams ask. Beside the requests' connections. */
  async listProgress(tenantId: string, runIds: readonly string[]): Promise<RunProgress[]> {
    const rows = await this.database.workers.read<{ id: string; status: RunStatus; last_event: string }>(
      { tenantId },
      {
        name: 'run_progress_list',
        text: 'SELECT id, status, last_event FROM runs WHERE tenant_id = $1 AND id = ANY($2::uuid[])',
        values: [tenantId, runIds],
      },
    )
    return rows.map(({ id, status, last_event }) => ({ runId: id, status, lastEvent: Number(last_event) }))
  }
}
