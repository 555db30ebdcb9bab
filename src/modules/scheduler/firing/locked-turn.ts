import { EXECUTION_REASONS } from '../executions/execution.js'
import type { ScheduleRecord } from '../schedules/schedule.js'
import { placeAfter } from '../schedules/schedule-place.js'
import { keyOf, type RunPlan } from './run-plan.js'
import { type ExecutionEnd, type QueuedExecution, takeTurn, type TurnMoves, type TurnState } from './schedule-turn.js'
import type { LockedRow, RunningExecutionRow, WaitingExecutionRow } from './turn-rows.js'
import type { ClosedExecution } from './turn-writes.js'

/** A schedule, and what runs of it would be, as they were before it was locked. */
export interface PreparedTurn {
  readonly schedule: ScheduleRecord
  /** By {@link keyOf}; absent: nobody looked. */
  readonly plans: ReadonlyMap<string, RunPlan>
}

/** A schedule whose row is locked, and what it does now. */
export interface LockedTurn extends PreparedTurn {
  readonly now: Date
  readonly moves: TurnMoves
  /** Executions under way that have a run. */
  readonly running: readonly { readonly id: string; readonly runId: string }[]
  /** Executions whose runs have ended without a word. */
  readonly closed: readonly ClosedExecution[]
  /** Ids of executions whose ends are taken note of by this turn. */
  readonly counted: readonly string[]
  readonly waiting: ReadonlyMap<string, RunPlan>
  /** It had no due time to come before this turn. */
  readonly hadEnded: boolean
}

/** Who has been there, and how long it takes to notice that nobody was. */
export type Watch = Pick<TurnState, 'watchedSince' | 'graceSeconds'>

/** Null: it has changed since it was prepared, or has become due: it is to be prepared again. */
export function lockTurn(prepared: PreparedTurn, row: LockedRow, watch: Watch): LockedTurn | null {
  const { plans } = prepared
  if (Number(row.revision) !== prepared.schedule.revision) return null
  const schedule = withStanding(prepared.schedule, row)
  const own = plans.get(keyOf(schedule))
  const isDue = schedule.nextRunAt !== null && schedule.nextRunAt <= row.now
  if (isDue && !own) return null
  const running = row.running.flatMap(({ id, runId, end }) => (runId !== null && end === null ? [{ id, runId }] : []))
  const closed = row.running.flatMap(toClosed)
  const waiting = plannedPrefix(row.waiting, (execution) => plans.get(requesterKey(execution, schedule)))
  const moves = takeTurn({
    schedule,
    now: row.now,
    ...watch,
    refusal: own ? own.refusal : null,
    running: running.length,
    queued: Number(row.queued),
    waiting: waiting.map(({ id, isOwn, plan }): QueuedExecution => ({ id, isOwn, refusal: plan.refusal })),
    waitingCount: Number(row.waitingCount),
    ends: [...closed, ...row.ends].map(toEnd),
  })
  const counted = row.ends.map(({ id }) => id)
  const hadEnded = row.endedReason !== null
  return {
    schedule,
    plans,
    now: row.now,
    moves,
    running,
    closed,
    counted,
    hadEnded,
    waiting: new Map(waiting.map(({ id, plan }) => [id, plan])),
  }
}

/** Whether it can be known what a schedule that is at rest does when it is next due: it fires, nothing refuses that, and another time follows. */
export function isForeseeable({ schedule, plans }: PreparedTurn): boolean {
  const { nextNominalAt, executions } = schedule
  if (nextNominalAt === null || plans.get(keyOf(schedule))?.refusal !== null) return false
  return placeAfter({ ...schedule, executions: executions + 1 }, nextNominalAt).endedReason === null
}

/** Nothing of it is under way that could end, or begin, by itself. */
export function isAtRest({ running, waitingCount, ends, isStale }: LockedRow): boolean {
  return running.length === 0 && Number(waitingCount) === 0 && ends.length === 0 && !isStale
}

/** Whether more comes of it than executions, runs and a next time. */
export function hasConsequences({ moves, hadEnded }: LockedTurn): boolean {
  const { stopsRunning, missed, paused, place } = moves
  return stopsRunning || missed !== null || paused !== null || (!hadEnded && place.endedReason !== null)
}

/** Whether it fires, and nothing comes of it but runs that nothing refuses. */
export function isPlain(turn: LockedTurn): boolean {
  const { add } = turn.moves
  return !hasConsequences(turn) && add.length > 0 && add.every(({ run }) => run === 'start')
}

/** About how much the runs that it makes take on their way to the database. */
export function runBytesOf({ schedule, moves: { add, start } }: LockedTurn): number {
  return (start.length + add.filter(({ run }) => run === 'start').length) * bytesOfRun(schedule)
}

/** The same of one run. */
export function bytesOfRun({ task, input }: Pick<ScheduleRecord, 'task' | 'input'>): number {
  return task.length + (input.context?.length ?? 0)
}

function withStanding(schedule: ScheduleRecord, row: LockedRow): ScheduleRecord {
  const { isActive, pausedReason, endedReason, cursorAt, nextNominalAt, nextRunAt, consecutiveFailures } = row
  const standing = { isActive, pausedReason, endedReason, cursorAt, nextNominalAt, nextRunAt, consecutiveFailures }
  const standingSchedule = { ...schedule, ...standing, executions: Number(row.executions) }
  // By the rules of today, from where it stands: none is lost, and none fired twice.
  return row.isStale ? { ...standingSchedule, ...placeAfter(standingSchedule, cursorAt) } : standingSchedule
}

function requesterKey({ userId, apiKeyId }: WaitingExecutionRow, schedule: ScheduleRecord): string {
  return keyOf(userId === null ? schedule : { tenantId: schedule.tenantId, userId, apiKeyId })
}

interface PlannedExecution {
  readonly id: string
  readonly isOwn: boolean
  readonly plan: RunPlan
}

/** Up to the first that nobody has planned: they start in their order. */
function plannedPrefix(
  waiting: readonly WaitingExecutionRow[],
  planOf: (execution: WaitingExecutionRow) => RunPlan | undefined,
): PlannedExecution[] {
  const planned: PlannedExecution[] = []
  for (const execution of waiting) {
    const plan = planOf(execution)
    if (!plan) break
    planned.push({ id: execution.id, isOwn: execution.userId === null, plan })
  }
  return planned
}

function toClosed({ id, end, errorCode }: RunningExecutionRow): ClosedExecution[] {
  if (end === null) return []
  if (end === 'completed') return [{ id, status: 'completed', reason: null }]
  return [{ id, status: 'failed', reason: end === 'cancelled' ? EXECUTION_REASONS.cancelled : (errorCode ?? end) }]
}

function toEnd({ status, reason }: { status: 'completed' | 'failed'; reason: string | null }): ExecutionEnd {
  if (status === 'completed') return status
  return reason === EXECUTION_REASONS.cancelled || reason === EXECUTION_REASONS.replaced ? 'cancelled' : 'failed'
}
