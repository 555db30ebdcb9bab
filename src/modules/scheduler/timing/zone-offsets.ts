import { Temporal } from 'temporal-polyfill'
import { LRU } from 'tiny-lru'
import { MS_PER_DAY, startOfYearMs, yearOf } from './wall-calendar.js'

const NS_PER_MS = 1_000_000
/** All 600 names of the database for some years around now; a year of a zone is two or three segments. */
const MAX_ZONE_YEARS = 6_000
/** Offsets lie within a day either way, so an instant further back than two has no later a wall time. */
const LOOK_BACK_MS = 2 * MS_PER_DAY

/** A stretch of time in which a zone keeps one offset. In ms of the epoch; the end is not part of it. */
interface Segment {
  readonly startsAtMs: number
  readonly endsAtMs: number
  readonly offsetMs: number
}

const zoneYears = new LRU<readonly Segment[]>(MAX_ZONE_YEARS)

/** @throws RangeError for a zone that is none */
export function segmentAt(zone: string, instantMs: number): Segment {
  const segments = segmentsOfYear(zone, yearOf(instantMs))
  const segment = segments.find(({ endsAtMs }) => instantMs < endsAtMs)
  if (segment === undefined) throw new RangeError(`no offset of ${zone} at ${instantMs}`)
  return segment
}

/**
 * The first instant at which the zone's clocks show a wall time (in ms as if it were UTC) or one after it. So a time that
 * was skipped is the first instant after the gap, and one that came twice is the first of the two.
 */
export function firstInstantMs(zone: string, wallMs: number): number {
  let segment = segmentAt(zone, wallMs - MS_PER_DAY)
  for (;;) {
    const instantMs = Math.max(segment.startsAtMs, wallMs - segment.offsetMs)
    if (instantMs < segment.endsAtMs) return instantMs
    segment = segmentAt(zone, segment.endsAtMs)
  }
}

/** The latest wall time that the zone's clocks have shown until an instant: after they went back, not the one that they show. */
export function latestWallMs(zone: string, instantMs: number): number {
  let segment = segmentAt(zone, instantMs)
  let latestMs = instantMs + segment.offsetMs
  while (segment.startsAtMs > instantMs - LOOK_BACK_MS) {
    const lastMs = segment.startsAtMs - 1
    segment = segmentAt(zone, lastMs)
    latestMs = Math.max(latestMs, lastMs + segment.offsetMs)
  }
  return latestMs
}

function segmentsOfYear(zone: string, year: number): readonly Segment[] {
  const key = `${zone} ${year}`
  const known = zoneYears.get(key)
  if (known !== undefined) return known
  const segments = readSegments(zone, { startsAtMs: startOfYearMs(year), endsAtMs: startOfYearMs(year + 1) })
  zoneYears.set(key, segments)
  return segments
}

function readSegments(zone: string, { startsAtMs, endsAtMs }: Pick<Segment, 'startsAtMs' | 'endsAtMs'>): Segment[] {
  const segments: Segment[] = []
  let moment = new Temporal.ZonedDateTime(BigInt(startsAtMs) * BigInt(NS_PER_MS), zone)
  for (;;) {
    const transition = moment.getTimeZoneTransition('next')
    const lasts = transition === null || transition.epochMilliseconds >= endsAtMs
    segments.push({
      startsAtMs: moment.epochMilliseconds,
      endsAtMs: lasts ? endsAtMs : transition.epochMilliseconds,
      offsetMs: moment.offsetNanoseconds / NS_PER_MS,
    })
    if (lasts) return segments
    moment = transition
  }
}
