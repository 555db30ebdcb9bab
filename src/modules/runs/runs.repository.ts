import { Injectable } from '@nestjs/common'
import type { ConnectionPool } from '#platform/database/connection-pool.js'
import { Database } from '#platform/database/database.js'
import type { Scope } from '#platform/database/scope.js'
import type { Tx } from '#platform/database/tx.js'
import type { RunEntity } from './run.entity.js'
import type { RunRow, RunSummaryRow } from './run-view.js'
import type { RunFilter } from './runs.schemas.js'
import { toStorableJson } from './storable.js'

const SUMMARY_COLUMNS = `r.id, r.agent, r.agent_version, p.slug AS project, r.status, r.task, r.model, r.error_code,
  r.error_detail, r.input_tokens, r.cached_input_tokens, r.output_tokens, r.reasoning_tokens, r.cost_usd, r.cache,
  r.attempt, r.parent_run_id, r.schedule_id, r.metadata, r.created_at, r.started_at, r.finished_at`
const FROM_RUNS = 'FROM runs r LEFT JOIN projects p ON p.tenant_id = r.tenant_id AND p.id = r.project_id'

/** A run as a client asks for it. */
@Injectable()
export class RunsRepository {
  private readonly requests: ConnectionPool

  constructor(database: Database) {
    this.requests = database.requests
  }

  async add(run: RunEntity, tx: Tx): Promise<void> {
    await tx.execute({
      name: 'run_add',
      text: `INSERT INTO runs (tenant_id, id, project_id, agent, agent_version, status, task, context, model, input,
               cost_usd, cache, parent_run_id, schedule_id, user_id, api_key_id, metadata, created_at)
             VALUES ($1, $2, $3, $4, $5, 'pending', $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`,
      values: [
        run.tenantId,
        run.id,
        run.projectId,
        run.agent,
        run.agentVersion,
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
      ],
    })
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

  /** Newest first; up to `limit`, after the run `after`. */
  list(scope: Scope, filter: RunFilter, page: { after?: string | undefined; limit: number }): Promise<RunSummaryRow[]> {
    const { conditions, values } = whereClause(scope, filter)
    if (page.after !== undefined) conditions.push(`r.id < $${values.push(page.after)}`)
    return this.requests.read<RunSummaryRow>(scope, {
      text: `SELECT ${SUMMARY_COLUMNS} ${FROM_RUNS} WHERE ${conditions.join(' AND ')}
              ORDER BY r.id DESC LIMIT $${values.push(page.limit)}`,
      values,
    })
  }

  async count(scope: Scope, filter: RunFilter): Promise<number> {
    const { conditions, values } = whereClause(scope, filter)
    const rows = await this.requests.read<{ count: string }>(scope, {
      text: `SELECT count(*) AS count ${FROM_RUNS} WHERE ${conditions.join(' AND ')}`,
      values,
    })
    return Number(rows[0]?.count ?? 0)
  }
}

/** Every condition is written here; only values come from outside, and they go as parameters. */
function whereClause(scope: Scope, filter: RunFilter): { conditions: string[]; values: unknown[] } {
  const values: unknown[] = [scope.tenantId]
  const conditions = ['r.tenant_id = $1']
  const add = (condition: (parameter: string) => string, value: unknown): void => {
    if (value !== undefined) conditions.push(condition(`$${values.push(value)}`))
  }
  add((parameter) => `p.slug = ${parameter}`, filter.project)
  add((parameter) => `r.agent = ${parameter}`, filter.agent)
  add((parameter) => `r.status = ${parameter}`, filter.status)
  // PostgreSQL knows no year 0 and no offset of 16 hours or more, which ISO 8601 does.
  add((parameter) => `r.created_at >= ${parameter}`, filter.from && new Date(filter.from))
  add((parameter) => `r.created_at < ${parameter}`, filter.to && new Date(filter.to))
  add((parameter) => `r.parent_run_id = ${parameter}`, filter.parentRunId)
  return { conditions, values }
}
