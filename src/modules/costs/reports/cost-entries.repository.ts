import { Injectable } from '@nestjs/common'
import type { TimePlace } from '#kernel/time-place.js'
import { Database, type PoolName } from '#platform/database/database.js'
import { conditionsOf } from './cost-conditions.js'
import type { CostEntryRow } from './cost-entry-view.js'
import type { CostEntryFilter } from './cost-entries.schemas.js'

const KEPT = `run_id, project_id, agent, model, user_id, api_key_id, step, is_estimated, input_tokens, cached_input_tokens,
  cache_write_tokens, output_tokens, reasoning_tokens, input_usd_per_million, cached_input_usd_per_million,
  cache_write_usd_per_million, output_usd_per_million, reasoning_usd_per_million, cost_usd, created_at, id`
const SHOWN = `c.id, c.run_id AS "runId", p.slug AS project, c.agent, c.model, c.user_id AS "userId", c.api_key_id AS "apiKeyId",
  c.step, c.is_estimated AS "isEstimated", c.input_tokens AS "inputTokens", c.cached_input_tokens AS "cachedInputTokens",
  c.cache_write_tokens AS "cacheWriteTokens", c.output_tokens AS "outputTokens", c.reasoning_tokens AS "reasoningTokens",
  trim_scale(c.input_usd_per_million)::text AS "inputUsdPerMillion", trim_scale(c.cached_input_usd_per_million)::text AS "cachedInputUsdPerMillion",
  trim_scale(c.cache_write_usd_per_million)::text AS "cacheWriteUsdPerMillion", trim_scale(c.output_usd_per_million)::text AS "outputUsdPerMillion",
  trim_scale(c.reasoning_usd_per_million)::text AS "reasoningUsdPerMillion", trim_scale(c.cost_usd)::text AS "costUsd", c.created_at AS "createdAt",
  to_char(c.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS "createdAtExact"`

interface EntriesAsk {
  readonly tenantId: string
  readonly filter: CostEntryFilter
  readonly order: 'newest first' | 'oldest first'
  readonly after: TimePlace | undefined
  readonly limit: number
  readonly pool: PoolName
}

/** Booked model calls as they are looked at. */
@Injectable()
export class CostEntriesRepository {
  constructor(private readonly database: Database) {}

  /** Up to `limit`, behind the place `after`; in the order of their times, then of their ids. */
  list({ tenantId, filter, order, after, limit, pool }: EntriesAsk): Promise<CostEntryRow[]> {
    const values: unknown[] = []
    const add = (value: unknown): string => `$${values.push(value)}`
    const tenant = add(tenantId)
    const { from, to, runId, unpriced } = filter
    const [direction, behind] = order === 'newest first' ? ['DESC', '<'] : ['ASC', '>']
    const conditions = [
      `tenant_id = ${tenant}`,
      ...conditionsOf(filter, tenant, add),
      // PostgreSQL knows no year 0 and no offset of 16 hours or more, which ISO 8601 does.
      ...(from === undefined ? [] : [`created_at >= ${add(new Date(from))}`]),
      ...(to === undefined ? [] : [`created_at < ${add(new Date(to))}`]),
      ...(runId === undefined ? [] : [`run_id = ${add(runId)}`]),
      ...(unpriced === undefined ? [] : [`cost_usd IS ${unpriced === 'true' ? '' : 'NOT '}NULL`]),
      ...(after ? [`(created_at, id) ${behind} (${add(after.at)}::timestamptz, ${add(after.id)}::uuid)`] : []),
    ]
    return this.database[pool].read<CostEntryRow>(
      { tenantId },
      {
        text: `SELECT ${SHOWN} FROM (SELECT ${KEPT} FROM cost_tracking WHERE ${conditions.join(' AND ')}
                 ORDER BY created_at ${direction}, id ${direction} LIMIT ${add(limit)}) AS c
                 LEFT JOIN projects p ON p.tenant_id = ${tenant} AND p.id = c.project_id
                ORDER BY c.created_at ${direction}, c.id ${direction}`,
        values,
      },
    )
  }
}
