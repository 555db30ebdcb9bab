import { Injectable } from '@nestjs/common'
import { Database } from '#platform/database/database.js'
import type { RunStatusShare } from './dashboard.schemas.js'

/** No day of any time zone is as long. For the planner, who cannot tell how few runs there are since a day began. */
const MORE_THAN_A_DAY_HOURS = 50

export interface DashboardRow {
  readonly activeProjects: number
  readonly projects: number
  readonly today: number
  readonly queued: number
  readonly running: number
  readonly last24h: number
  readonly avgDurationMs: number | null
  readonly p95DurationMs: number | null
  readonly byStatus: RunStatusShare[]
  readonly ownAgents: number
  /** Agents, of either kind, of whose ended runs more than half failed. */
  readonly failingAgents: number
  readonly cacheHits: number
  readonly cacheMisses: number
  /** Decimal strings: of what has a price. */
  readonly todayUsd: string
  readonly monthUsd: string
  readonly todayUnpriced: number
  readonly monthUnpriced: number
}

/**
 * What was booked since a moment, and how many calls had no price: the sums of all hours since, what is not in them yet, and entries
 * of before the first of them.
 */
function bookedSince(moment: 'day' | 'month'): string {
  const [start, firstHour] = [`(SELECT ${moment} FROM since)`, `(SELECT ${moment}_hour FROM since)`]
  return `(SELECT coalesce(sum(cost_usd), 0)::text AS usd, coalesce(sum(unpriced), 0)::integer AS unpriced
             FROM (SELECT cost_usd, unpriced FROM cost_hourly WHERE tenant_id = $1 AND hour >= ${firstHour}
                    UNION ALL
                   SELECT cost_usd, unpriced FROM cost_tail WHERE tenant_id = $1 AND created_at >= ${firstHour}
                    UNION ALL
                   SELECT cost_usd, (cost_usd IS NULL)::integer FROM cost_tracking
                    WHERE tenant_id = $1 AND created_at >= ${start} AND created_at < ${firstHour}) AS parts)`
}

/** The first whole hour of UTC that is not before a moment: a zone's day can begin within one. */
function firstHourFrom(moment: string): string {
  return `date_trunc('hour', ${moment} + interval '1 hour' - interval '1 microsecond', 'UTC')`
}

/**
 * All figures of the dashboard in one statement, so that they are of one moment. It reads the last day's runs once. By the views of
 * the same figures it would read them four times, each time from the table as well: the newest pages are not all visible yet.
 */
@Injectable()
export class DashboardReadModel {
  constructor(private readonly database: Database) {}

  async get({ tenantId, builtInSlugs }: { tenantId: string; builtInSlugs: readonly string[] }): Promise<DashboardRow> {
    const rows = await this.database.read<DashboardRow>(
      { tenantId },
      {
        name: 'metrics_dashboard',
        text: `WITH since AS MATERIALIZED (
                 SELECT day, month, now() - interval '24 hours' AS yesterday, ${firstHourFrom('day')} AS day_hour, ${firstHourFrom('month')} AS month_hour
                   FROM (SELECT budget_timezone($1) AS zone OFFSET 0) AS z,
                        LATERAL (SELECT budget_period_start('day', zone, now()) AS day, budget_period_start('month', zone, now()) AS month) AS starts),
               recent AS MATERIALIZED (
                 SELECT status, agent, cache, finished_at IS NOT NULL AS is_ended, date_part('epoch', finished_at - started_at) * 1000 AS duration_ms,
                        created_at >= (SELECT day FROM since) AS is_today, created_at >= (SELECT yesterday FROM since) AS is_last_24h
                   FROM runs
                  WHERE tenant_id = $1 AND created_at >= now() - interval '${MORE_THAN_A_DAY_HOURS} hours'
                    AND created_at >= (SELECT least(day, yesterday) FROM since)),
               last_24h AS (SELECT status, agent, cache, is_ended, duration_ms FROM recent WHERE is_last_24h),
               statuses AS (
                 SELECT status, count(*) AS runs, round(100.0 * count(*) / sum(count(*)) OVER (), 2) AS percentage FROM last_24h GROUP BY status),
               failing AS (
                 SELECT agent FROM last_24h WHERE is_ended GROUP BY agent HAVING count(*) FILTER (WHERE status = 'failed') * 2 > count(*)),
               own AS (SELECT slug FROM agents WHERE tenant_id = $1 AND deleted_at IS NULL AND slug <> ALL ($2))
               SELECT (SELECT count(*)::integer FROM recent WHERE is_today) AS today, active.queued, active.running, ended.last24h,
                      ended."avgDurationMs", ended."p95DurationMs", ended."cacheHits", ended."cacheMisses",
                      (SELECT coalesce(jsonb_agg(jsonb_build_object('status', status, 'count', runs, 'percentage', percentage)
                                                 ORDER BY runs DESC, status), '[]') FROM statuses) AS "byStatus",
                      p.active AS "activeProjects", p.total AS projects, (SELECT count(*)::integer FROM own) AS "ownAgents",
                      (SELECT count(*)::integer FROM failing WHERE agent = ANY ($2) OR agent IN (SELECT slug FROM own)) AS "failingAgents",
                      today.usd AS "todayUsd", today.unpriced AS "todayUnpriced", month.usd AS "monthUsd", month.unpriced AS "monthUnpriced"
                 FROM ${bookedSince('day')} AS today, ${bookedSince('month')} AS month,
                      (SELECT (count(*) FILTER (WHERE status = 'pending'))::integer AS queued, (count(*) FILTER (WHERE status = 'running'))::integer AS running
                         FROM runs WHERE tenant_id = $1 AND status IN ('pending', 'running')) AS active,
                      (SELECT count(*)::integer AS last24h, round(avg(duration_ms)::numeric)::float8 AS "avgDurationMs",
                              round((percentile_cont(0.95) WITHIN GROUP (ORDER BY duration_ms))::numeric)::float8 AS "p95DurationMs",
                              (count(*) FILTER (WHERE is_ended AND cache = 'hit'))::integer AS "cacheHits",
                              (count(*) FILTER (WHERE is_ended AND cache = 'miss'))::integer AS "cacheMisses" FROM last_24h) AS ended,
                      (SELECT count(*)::integer AS total, (count(*) FILTER (WHERE archived_at IS NULL))::integer AS active
                         FROM projects WHERE tenant_id = $1 AND deleted_at IS NULL) AS p`,
        values: [tenantId, builtInSlugs],
      },
    )
    const [row] = rows
    if (!row) throw new Error('figures without a row')
    return row
  }
}
