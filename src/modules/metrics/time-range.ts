import { invalidField } from '#kernel/app-error.js'

const HOUR_MS = 3_600_000

/** Width of a point of a chart. Both are of UTC: every day has 24 hours. */
export const BUCKETS = ['hour', 'day'] as const
export type Bucket = (typeof BUCKETS)[number]
export const BUCKET_MS: Readonly<Record<Bucket, number>> = { hour: HOUR_MS, day: 24 * HOUR_MS }

/** Whole hours or days of UTC, from the first instant to before the last. */
export interface TimeRange {
  readonly from: Date
  readonly to: Date
}

export interface TimeRangeOptions {
  readonly now: Date
  readonly bucket: Bucket
  /** How many buckets there are where the request names no `from`. */
  readonly defaultBuckets: number
  readonly maxBuckets: number
}

/**
 * The time that a request asks for, widened to whole buckets: costs are summed up by the hour.
 * @throws AppError `validation_failed` where it ends before it begins, or holds more buckets than there may be
 */
export function toTimeRange(
  query: { from?: string | undefined; to?: string | undefined },
  { now, bucket, defaultBuckets, maxBuckets }: TimeRangeOptions,
): TimeRange {
  const widthMs = BUCKET_MS[bucket]
  const endMs = query.to === undefined ? now.getTime() : Date.parse(query.to)
  const to = Math.ceil(endMs / widthMs) * widthMs
  const startMs = query.from === undefined ? to - defaultBuckets * widthMs : Date.parse(query.from)
  const from = Math.floor(startMs / widthMs) * widthMs
  if (startMs >= endMs) throw invalidField('/from', 'Must be before `to`.')
  if ((to - from) / widthMs > maxBuckets) throw invalidField('/from', `There can be ${maxBuckets} ${bucket}s at most.`)
  return { from: new Date(from), to: new Date(to) }
}
