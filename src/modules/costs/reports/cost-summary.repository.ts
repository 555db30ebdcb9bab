import { Injectable } from '@nestjs/common'
import { Database } from '#platform/database/database.js'
import { conditionsOf } from './cost-conditions.js'
import type { CostFilter } from './cost-filter.schemas.js'
import type { SummaryKey } from './cost-summary.schemas.js'
import type { HourParts } from './hour-parts.js'

interface Dimension {
  /** Of the rows that are added up; null: each has its hour. */
  readonly column: string | null
  readonly expression: string
  /** Only the sums in full know it. */
  readonly isDetail: boolean
}

const DIMENSIONS: Readonly<Record<SummaryKey, Dimension>> = {
  agent: { column: 'agent', expression: 'agent', isDetail: false },
  model: { column: 'model', expression: 'model', isDetail: false },
  project: { column: 'project_id', expression: 'p.slug', isDetail: true },
  user: { column: 'user_id', expression: 'user_id', isDetail: true },
  apiKey: { column: 'api_key_id', expression: 'api_key_id', isDetail: true },
  day: { column: null, expression: `date_trunc('day', hour, 'UTC')`, isDetail: false },
  hour: { column: null, expression: 'hour', isDetail: false },
}
const SUMMED = 'executions, unpriced, input_tokens, cached_input_tokens, output_tokens, cost_usd, cache_hits, saved_usd'
const OF_ENTRY =
  '1, (cost_usd IS NULL)::integer, input_tokens, cached_input_tokens, output_tokens, coalesce(cost_usd, 0), 0, 0'
const HOUR = `date_trunc('hour', created_at, 'UTC')`
/** Savings are known by the hour alone: one that begins in the range counts, whole or not. */
const SUMS = `coalesce(sum(executions) FILTER (WHERE is_whole), 0) AS executions,
  coalesce(sum(unpriced) FILTER (WHERE is_whole), 0) AS unpriced,
  coalesce(sum(input_tokens) FILTER (WHERE is_whole), 0) AS "inputTokens",
  coalesce(sum(cached_input_tokens) FILTER (WHERE is_whole), 0) AS "cachedInputTokens",
  coalesce(sum(output_tokens) FILTER (WHERE is_whole), 0) AS "outputTokens",
  coalesce(sum(cost_usd) FILTER (WHERE is_whole), 0) AS "costUsd",
  coalesce(sum(cache_hits), 0) AS "cacheHits", coalesce(sum(saved_usd), 0) AS "savedUsd"`

/** Sums as the database has them; numbers of any size are text. */
export interface SummaryRow {
  readonly agent?: string
  readonly model?: string
  readonly project?: string | null
  readonly user?: string | null
  readonly apiKey?: string | null
  readonly day?: Date
  readonly hour?: Date
  readonly executions: string
  readonly unpriced: string
  readonly inputTokens: string
  readonly cachedInputTokens: string
  readonly outputTokens: string
  readonly costUsd: string
  readonly cacheHits: string
  readonly savedUsd: string
}

export interface SummaryAsk {
  readonly tenantId: string
  readonly filter: CostFilter
  readonly parts: HourParts
  /** None twice; none at all: one row, of all. */
  readonly keys: readonly SummaryKey[]
  readonly limit: number
}

/** Adds up what was spent, to the last digit, whatever is in the sums yet. */
@Injectable()
export class CostSummaryRepository {
  constructor(private readonly database: Database) {}

  /** One statement, since it must see the sums and the tail as they are at one moment. By time, then the most expensive first. */
  sum({
    tenantId,
    filter,
    parts: { head, hours, rest, lastBegunEndsAt },
    keys,
    limit,
  }: SummaryAsk): Promise<SummaryRow[]> {
    const values: unknown[] = []
    const add = (value: unknown): string => `$${values.push(value)}`
    const tenant = add(tenantId)
    const where = ['', ...conditionsOf(filter, tenant, add)].join(' AND ')
    const isDetail = keys.some((key) => DIMENSIONS[key].isDetail) || needsDetail(filter)
    const columns = keys.flatMap((key) => DIMENSIONS[key].column ?? []).map((column) => `${column}, `)
    const [hoursFrom, hoursTo, savedTo] = [add(hours.from), add(hours.to), add(lastBegunEndsAt)]
    const booked = (time: string): string =>
      `${time} >= ${hoursFrom} AND ${time} < ${savedTo} AND (${time} < ${hoursTo} OR cache_hits > 0)`
    const entries = ({ from, to }: HourParts['head']): string =>
      `SELECT ${HOUR}, ${columns.join('')}true, ${OF_ENTRY} FROM cost_tracking
        WHERE tenant_id = ${tenant} AND created_at >= ${add(from)} AND created_at < ${add(to)}${where}`
    const names = keys.map((key) => DIMENSIONS[key].expression)
    const text = `SELECT ${keys.map((key) => `${DIMENSIONS[key].expression} AS "${key}", `).join('')}${SUMS}
        FROM (SELECT hour, ${columns.join('')}hour < ${hoursTo} AS is_whole, ${SUMMED} FROM ${isDetail ? 'cost_hourly_detail' : 'cost_hourly'}
               WHERE tenant_id = ${tenant} AND ${booked('hour')}${where}
              UNION ALL
              SELECT ${HOUR}, ${columns.join('')}created_at < ${hoursTo}, ${SUMMED} FROM cost_tail
               WHERE tenant_id = ${tenant} AND ${booked('created_at')}${where}
              UNION ALL ${entries(head)}
              UNION ALL ${entries(rest)}) AS parts
        ${keys.includes('project') ? `LEFT JOIN projects p ON p.tenant_id = ${tenant} AND p.id = project_id` : ''}
        ${names.length > 0 ? `GROUP BY ${names.join(', ')}` : ''}
       ORDER BY ${[...keys.filter(isTime).map((key) => `"${key}"`), '"costUsd" DESC', ...keys.map((key) => `"${key}"`)].join(', ')}
       LIMIT ${add(limit)}`
    return this.database.read<SummaryRow>({ tenantId }, { text, values })
  }
}

function needsDetail({ project, user, key }: CostFilter): boolean {
  return project !== undefined || user !== undefined || key !== undefined
}

function isTime(key: SummaryKey): boolean {
  return DIMENSIONS[key].column === null
}
