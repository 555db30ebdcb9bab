import { Injectable } from '@nestjs/common'
import { Database } from '#platform/database/database.js'
import { type Bucket, BUCKET_MS, type TimeRange } from '../time-range.js'
import type { TimelinePoint } from './timeline.schemas.js'

/** As the database writes it: the amount a decimal string, tokens a `bigint`. */
export type TimelineRow = Omit<TimelinePoint, 'start' | 'tokens'> & { readonly start: Date; readonly tokens: string }

const SUMMED = 'cost_usd, unpriced, input_tokens + output_tokens AS tokens'

/** What runs have done and cost, a row for each bucket of a time. */
@Injectable()
export class TimelineReadModel {
  constructor(private readonly database: Database) {}

  /**
   * The oldest first, also buckets in which nothing was. Without a name, so that it is planned for the length of its time.
   * @param range whole buckets
   */
  list(tenantId: string, { from, to }: TimeRange, bucket: Bucket): Promise<TimelineRow[]> {
    return this.database.read<TimelineRow>(
      { tenantId },
      {
        // A width in milliseconds, since a day of the server's own time zone need not have 24 hours.
        text: `WITH ended AS (
                 SELECT date_bin($4 * interval '1 ms', created_at, 'epoch') AS start, count(*)::integer AS runs,
                        (count(*) FILTER (WHERE status = 'completed'))::integer AS completed,
                        (count(*) FILTER (WHERE status = 'failed'))::integer AS failed,
                        (count(*) FILTER (WHERE status = 'cancelled'))::integer AS cancelled,
                        round(avg(date_part('epoch', finished_at - started_at) * 1000)::numeric)::float8 AS duration_ms
                   FROM runs WHERE tenant_id = $1 AND created_at >= $2 AND created_at < $3 GROUP BY start),
               booked AS (
                 SELECT hour AS moment, ${SUMMED} FROM cost_hourly WHERE tenant_id = $1 AND hour >= $2 AND hour < $3
                  UNION ALL
                 SELECT created_at, ${SUMMED} FROM cost_tail WHERE tenant_id = $1 AND created_at >= $2 AND created_at < $3),
               costs AS (
                 SELECT date_bin($4 * interval '1 ms', moment, 'epoch') AS start, sum(cost_usd) AS cost_usd, sum(unpriced) AS unpriced, sum(tokens) AS tokens
                   FROM booked GROUP BY start)
               SELECT start, coalesce(runs, 0) AS runs, coalesce(completed, 0) AS completed, coalesce(failed, 0) AS failed,
                      coalesce(cancelled, 0) AS cancelled, duration_ms AS "avgDurationMs", coalesce(cost_usd, 0)::text AS "costUsd",
                      coalesce(unpriced, 0)::integer AS unpriced, coalesce(tokens, 0)::text AS tokens
                 FROM generate_series($2::timestamptz, $3::timestamptz - $4 * interval '1 ms', $4 * interval '1 ms') AS start
                 LEFT JOIN ended USING (start) LEFT JOIN costs USING (start)
                ORDER BY start`,
        values: [tenantId, from, to, BUCKET_MS[bucket]],
      },
    )
  }
}
