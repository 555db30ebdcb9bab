import { EXECUTION_REASONS } from '../executions/execution.js'
import type { Overlap } from '../schedules/schedule.js'

/** Executions of a schedule that wait for the ones before them; what is made up for by a backfill is not counted. */
export const MAX_QUEUED = 100
/** Runs of a schedule under way at once. */
export const MAX_RUNNING = 100

/** What a schedule has under way, and what waits behind it. */
export interface OpenExecutions {
  readonly running: number
  readonly queued: number
}

interface Admission {
  readonly execution: {
    readonly status: 'running' | 'skipped'
    readonly reason: string | null
    readonly run: 'start' | 'queue' | 'none'
  }
  /** All that runs is to stop: this one takes its place. */
  readonly stopsRunning: boolean
  /** Nothing stands in its way. */
  readonly hasRoom: boolean
}

const START: Admission = {
  execution: { status: 'running', reason: null, run: 'start' },
  stopsRunning: false,
  hasRoom: true,
}
const QUEUE: Admission = {
  execution: { status: 'running', reason: null, run: 'queue' },
  stopsRunning: false,
  hasRoom: false,
}

/**
 * What becomes of an execution while others of its schedule are open, by the schedule's overlap policy.
 * @param isLatest false: another is due at the same moment
 */
export function admit(overlap: Overlap, { running, queued }: OpenExecutions, isLatest: boolean): Admission {
  if (overlap === 'allow') return running < MAX_RUNNING ? START : skip(EXECUTION_REASONS.tooManyRunning)
  if (overlap === 'cancel') {
    if (!isLatest) return skip(EXECUTION_REASONS.replaced)
    return running === 0 ? START : { ...START, stopsRunning: true, hasRoom: false }
  }
  if (running === 0 && queued === 0) return START
  if (overlap === 'skip') return skip(EXECUTION_REASONS.overlap)
  return queued < MAX_QUEUED ? QUEUE : skip(EXECUTION_REASONS.queueFull)
}

function skip(reason: string): Admission {
  return { execution: { status: 'skipped', reason, run: 'none' }, stopsRunning: false, hasRoom: false }
}
