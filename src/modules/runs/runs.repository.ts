import { Injectable } from '@nestjs/common'
import type { ConnectionPool } from '#platform/database/connection-pool.js'
import { Database } from '#platform/database/database.js'
import type { Scope } from '#platform/database/scope.js'
import type { Tx } from '#platform/database/tx.js'
import type { RunEntity } from './run.entity.js'
import type { RunRow, RunSummaryRow } from './run-view.js'
import type { RunFilter } from './runs.schemas.js'
import { toStorableJson } from '#kernel/storable.js'

const RUN_COLUMNS = `r.id, r.agent, r.agent_version, r.status, r.task, r.model, r.error_code,
  r.error_detail, r.input_tokens, r.cached_input_tokens, r.output_tokens, r.reasoning_tokens, r.cost_usd, r.cache,
  r.attempt, r.parent_run_id, r.schedule_id, r.metadata, r.created_at, r.started_at, r.finished_at`
const SUMMARY_COLUMNS = `${RUN_COLUMNS}, p.slug AS project`
const FROM_RUNS = 'FROM runs r LEFT JOIN projects p ON p.tenant_id = r.tenant_id AND p.id = r.project_id'

/** Counting on would cost each look at a long queue more than anybody could make of the number. */
const MAX_QUEUE_POSITION = 1000

export type RunCommandRow = Pick<
  RunEntity,
  'agent' | 'status' | 'task' | 'context' | 'model' | 'input' | 'metadata'
> & {
  readonly project: string | null
  readonly is_project_deleted: boolean
}

/** A run as a client asks for it. */
@Injectable()
export class RunsRepository {
  private readonly requests: ConnectionPool

  constructor(database: Database) {
    this.requests = database.requests
  }

  /** @param leaseMs of the replica that works on it at once; null: it waits in the queue */
  async add(run: RunEntity, leaseMs: number | null, tx: Tx): Promise<void> {
    await tx.execute({
      name: 'run_add',
      text: `INSERT INTO runs (tenant_id, id, project_id, agent, agent_version, status, task, context, model, input,
               cost_usd, cache, parent_run_id, schedule_id, user_id, api_key_id, metadata, created_at, root_run_id, depth,
               queued_since, deadline_at, attempt, started_at, fencing_number, last_event, steps, lease_expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23,
               $24, $25, $26, $27, now() + $28 * interval '1 ms')`,
      values: [
        run.tenantId,
        run.id,
        run.projectId,
        run.agent,
        run.agentVersion,
        run.status,
        run.task,
        run.context,
        run.model,
        toStorableJson(run.input),
        run.costUsd,
        run.cache,
        run.parentRunId,
        run.scheduleId,
        run.userId,
        run.apiKeyId,
        toStorableJson(run.metadata),
        run.createdAt,
        run.rootRunId,
        run.depth,
        run.queuedSince,
        run.deadlineAt,
        run.attempt,
        run.startedAt,
        run.fencingNumber,
        run.lastEvent,
        run.steps,
        leaseMs,
      ],
    })
  }

  /** Runs of one tenant that wait in the queue. */
  async addQueued(runs: readonly RunEntity[], tx: Tx): Promise<void> {
    await tx.execute({
      name: 'run_add_queued',
      text: `INSERT INTO runs (tenant_id, id, project_id, agent, agent_version, status, task, context, model, input,
               cost_usd, cache, schedule_id, user_id, api_key_id, metadata, created_at, root_run_id, queued_since)
             SELECT r."tenantId", r.id, r."projectId", r.agent, r."agentVersion", 'pending', r.task, r.context, r.model, r.input,
                    r."costUsd", r.cache, r."scheduleId", r."userId", r."apiKeyId", r.metadata, r."createdAt", r.id, r."queuedSince"
               FROM jsonb_to_recordset($1) AS r ("tenantId" uuid, id uuid, "projectId" uuid, agent text, "agentVersion" integer,
                      task text, context text, model text, input jsonb, "costUsd" numeric, cache text, "scheduleId" uuid,
                      "userId" uuid, "apiKeyId" uuid, metadata jsonb, "createdAt" timestamptz, "queuedSince" timestamptz)`,
      values: [toStorableJson(runs)],
    })
  }

  /** Its place among the tenant's runs that wait for a worker, from 1 to the last that is counted; 0 when it does not wait any more. */
  async findQueuePosition(scope: Scope, id: string): Promise<number> {
    const rows = await this.requests.read<{ position: string }>(scope, {
      name: 'run_queue_position',
      text: `SELECT count(*) AS position FROM (SELECT 1 FROM runs q, runs r
              WHERE r.tenant_id = $1 AND r.id = $2 AND r.queued_since IS NOT NULL AND q.tenant_id = $1
                AND q.queued_since IS NOT NULL AND (q.queued_since, q.id) <= (r.queued_since, r.id)
              LIMIT $3) AS ahead`,
      values: [scope.tenantId, id, MAX_QUEUE_POSITION],
    })
    return Number(rows[0]?.position ?? 0)
  }

  /** The run with its output, in one flight; null when the tenant has none of that id. */
  async find(scope: Scope, id: string): Promise<RunRow | null> {
    const rows = await this.requests.read<RunRow>(scope, {
      name: 'run_find',
      text: `SELECT ${SUMMARY_COLUMNS}, r.output ${FROM_RUNS} WHERE r.tenant_id = $1 AND r.id = $2`,
      values: [scope.tenantId, id],
    })
    return rows[0] ?? null
  }

  /** What a run was asked for, to be asked for again. */
  async findCommand(scope: Scope, id: string): Promise<RunCommandRow | null> {
    const rows = await this.requests.read<RunCommandRow>(scope, {
      name: 'run_command',
      text: `SELECT r.agent, r.status, r.task, r.context, r.model, r.input, r.metadata, p.slug AS project,
                    p.deleted_at IS NOT NULL AS is_project_deleted ${FROM_RUNS}
              WHERE r.tenant_id = $1 AND r.id = $2`,
      values: [scope.tenantId, id],
    })
    return rows[0] ?? null
  }

  /** Newest first; up to `limit`, after the run `after`. */
  list(scope: Scope, filter: RunFilter, page: { after?: string | undefined; limit: number }): Promise<RunSummaryRow[]> {
    const { project, ...others } = filter
    const { conditions, values } = whereClause(scope, others)
    if (page.after !== undefined) conditions.push(`r.id < $${values.push(page.after)}`)
    const where = `WHERE ${conditions.join(' AND ')}`
    const newest = `ORDER BY r.id DESC LIMIT $${values.push(page.limit)}`
    return this.requests.read<RunSummaryRow>(scope, {
      text:
        project === undefined
          ? `SELECT ${SUMMARY_COLUMNS} ${FROM_RUNS} ${where} ${newest}`
          : // The newest of each project, in the order of an index: asked for together, all of their runs would be sorted.
            `SELECT ${SUMMARY_COLUMNS}
               FROM projects p CROSS JOIN LATERAL (SELECT ${RUN_COLUMNS} FROM runs r ${where} AND r.project_id = p.id ${newest}) AS r
              WHERE ${ofSlug(values.push(project))} ${newest}`,
      values,
    })
  }

  async count(scope: Scope, { project, ...others }: RunFilter): Promise<number> {
    const { conditions, values } = whereClause(scope, others)
    if (project !== undefined)
      conditions.push(`r.project_id = ANY (ARRAY(SELECT p.id FROM projects p WHERE ${ofSlug(values.push(project))}))`)
    const rows = await this.requests.read<{ count: string }>(scope, {
      text: `SELECT count(*) AS count FROM runs r WHERE ${conditions.join(' AND ')}`,
      values,
    })
    return Number(rows[0]?.count ?? 0)
  }
}

/** Several projects, where one that is deleted had the slug before. */
function ofSlug(slug: number): string {
  return `p.tenant_id = $1 AND p.slug = $${slug}`
}

/**
 * All of a filter but its project. Every condition is written here; only values come from outside, and they go as parameters, the
 * tenant as `$1`.
 */
function whereClause(scope: Scope, filter: Omit<RunFilter, 'project'>): { conditions: string[]; values: unknown[] } {
  const values: unknown[] = [scope.tenantId]
  const conditions = ['r.tenant_id = $1']
  const add = (condition: (parameter: string) => string, value: unknown): void => {
    if (value !== undefined) conditions.push(condition(`$${values.push(value)}`))
  }
  add((parameter) => `r.agent = ${parameter}`, filter.agent)
  add((parameter) => `r.status = ${parameter}`, filter.status)
  // PostgreSQL knows no year 0 and no offset of 16 hours or more, which ISO 8601 does.
  add((parameter) => `r.created_at >= ${parameter}`, filter.from && new Date(filter.from))
  add((parameter) => `r.created_at < ${parameter}`, filter.to && new Date(filter.to))
  add((parameter) => `r.parent_run_id = ${parameter}`, filter.parentRunId)
  return { conditions, values }
}
