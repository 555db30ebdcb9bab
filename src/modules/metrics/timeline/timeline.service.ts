import { Injectable } from '@nestjs/common'
import { Clock } from '#kernel/clock.js'
import { Usd } from '#kernel/usd.js'
import type { Principal } from '#platform/http/principal.js'
import { type Bucket, toTimeRange } from '../time-range.js'
import { TimelineReadModel, type TimelineRow } from './timeline.read-model.js'
import type { Timeline, TimelinePoint, TimelineQuery } from './timeline.schemas.js'

const DEFAULT_BUCKETS: Readonly<Record<Bucket, number>> = { hour: 24, day: 30 }
const MAX_BUCKETS = 750

/** What runs have done and cost over time. */
@Injectable()
export class TimelineService {
  constructor(
    private readonly points: TimelineReadModel,
    private readonly clock: Clock,
  ) {}

  /** @throws AppError `validation_failed` where there can be no such time, or it holds too many buckets */
  async get({ tenantId }: Principal, { bucket, ...query }: TimelineQuery): Promise<Timeline> {
    const range = toTimeRange(query, {
      now: this.clock.now(),
      bucket,
      defaultBuckets: DEFAULT_BUCKETS[bucket],
      maxBuckets: MAX_BUCKETS,
    })
    const rows = await this.points.list(tenantId, range, bucket)
    return { bucket, data: rows.map(toPoint) }
  }
}

function toPoint(row: TimelineRow): TimelinePoint {
  return {
    start: row.start.toISOString(),
    runs: row.runs,
    completed: row.completed,
    failed: row.failed,
    cancelled: row.cancelled,
    avgDurationMs: row.avgDurationMs,
    costUsd: Usd.parse(row.costUsd).toString(),
    unpriced: row.unpriced,
    tokens: Number(row.tokens),
  }
}
