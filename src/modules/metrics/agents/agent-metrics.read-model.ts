import { Injectable } from '@nestjs/common'
import { Database } from '#platform/database/database.js'
import type { TimeRange } from '../time-range.js'
import type { AgentFigures, ModelUse } from './agent-metrics.schemas.js'

/** Amounts are decimal strings as the database writes them. */
export type AgentFiguresRow = Omit<AgentFigures, 'successRate' | 'cache'> & {
  readonly models: readonly ModelUse[]
  readonly cacheHits: number
  readonly savedUsd: string
}

const DURATION_MS = `date_part('epoch', finished_at - started_at) * 1000`
const SUMMED = 'agent, model, executions, unpriced, input_tokens, output_tokens, cost_usd, cache_hits, saved_usd'

/** What agents have done and cost in a time. */
@Injectable()
export class AgentMetricsReadModel {
  constructor(private readonly database: Database) {}

  /**
   * Up to `limit` agents, the most used first. Without a name, so that it is planned for the length of its time.
   * @param range whole hours: the sums know no less
   */
  list(tenantId: string, { from, to }: TimeRange, limit: number): Promise<AgentFiguresRow[]> {
    return this.database.read<AgentFiguresRow>(
      { tenantId },
      {
        text: `WITH ended AS (
                 SELECT agent, count(*) AS runs, count(*) FILTER (WHERE status = 'completed') AS completed,
                        count(*) FILTER (WHERE status = 'failed') AS failed, count(*) FILTER (WHERE status = 'cancelled') AS cancelled,
                        avg(${DURATION_MS}) AS mean, percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY ${DURATION_MS}) AS percentiles
                   FROM runs WHERE tenant_id = $1 AND created_at >= $2 AND created_at < $3 GROUP BY agent),
               booked AS (
                 SELECT ${SUMMED} FROM cost_hourly WHERE tenant_id = $1 AND hour >= $2 AND hour < $3
                  UNION ALL
                 SELECT ${SUMMED} FROM cost_tail WHERE tenant_id = $1 AND created_at >= $2 AND created_at < $3),
               by_model AS (
                 SELECT agent, model, sum(executions) AS executions, sum(unpriced) AS unpriced, sum(input_tokens) AS input_tokens,
                        sum(output_tokens) AS output_tokens, sum(cost_usd) AS cost_usd, sum(cache_hits) AS cache_hits, sum(saved_usd) AS saved_usd
                   FROM booked GROUP BY agent, model),
               costs AS (
                 SELECT agent, sum(cost_usd) AS cost_usd, sum(unpriced) AS unpriced, sum(cache_hits) AS cache_hits, sum(saved_usd) AS saved_usd,
                        jsonb_agg(jsonb_build_object('model', model, 'executions', executions, 'costUsd', cost_usd::text, 'unpriced', unpriced,
                                                     'inputTokens', input_tokens, 'outputTokens', output_tokens) ORDER BY executions DESC, model)
                          FILTER (WHERE executions > 0) AS models
                   FROM by_model GROUP BY agent)
               SELECT agent, coalesce(runs, 0)::integer AS runs, coalesce(completed, 0)::integer AS completed, coalesce(failed, 0)::integer AS failed,
                      coalesce(cancelled, 0)::integer AS cancelled, round(mean::numeric)::float8 AS "avgDurationMs",
                      round(percentiles[1]::numeric)::float8 AS "p50DurationMs", round(percentiles[2]::numeric)::float8 AS "p95DurationMs",
                      coalesce(cost_usd, 0)::text AS "costUsd", coalesce(unpriced, 0)::integer AS unpriced, coalesce(models, '[]') AS models,
                      coalesce(cache_hits, 0)::integer AS "cacheHits", coalesce(saved_usd, 0)::text AS "savedUsd"
                 FROM ended FULL JOIN costs USING (agent)
                ORDER BY coalesce(runs, 0) DESC, agent LIMIT $4`,
        values: [tenantId, from, to, limit],
      },
    )
  }
}
