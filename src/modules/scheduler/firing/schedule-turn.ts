import { EXECUTION_REASONS, type ExecutionStatus } from '../executions/execution.js'
import type { MissedTimes } from '../schedules/missed-times.js'
import type { PausedReason, SchedulePlace, ScheduleRecord } from '../schedules/schedule.js'
import { dueAt, placeAfter, timingOf } from '../schedules/schedule-place.js'
import { jitterMs } from '../timing/jitter.js'
import { timesBetween } from '../timing/timing.js'
import { admit, type OpenExecutions } from './admission.js'
import type { RefusedExecution } from './turn-rows.js'

/** Due times that one turn sees to; those behind them have theirs at once. */
export const MAX_DUE_PER_TURN = 100
/** Missed due times that are counted: more cost time that others wait for, and tell nobody more. */
export const MAX_MISSED_COUNTED = 1000
/** Missed due times that are kept as executions, of each outage the first. */
export const MAX_MISSED_KEPT = 100
const MS_PER_SECOND = 1000

/** Waits for its run. */
export interface QueuedExecution {
  readonly id: string
  /** In the schedule's own name, and not in that of somebody who has asked for it. */
  readonly isOwn: boolean
  /** Code of the error that refuses its run; null: nothing does. */
  readonly refusal: string | null
}

/** How an execution has ended that the schedule has not taken note of. */
export type ExecutionEnd = 'completed' | 'failed' | 'cancelled'

/** A schedule whose row is locked, with all that bears on what it does next. */
export interface TurnState extends OpenExecutions {
  readonly schedule: ScheduleRecord
  /** On the database's clock. */
  readonly now: Date
  /** Since when somebody has been there without a break: what is late since then was not missed. */
  readonly watchedSince: Date
  readonly graceSeconds: number
  /** Why a run of a due time cannot be made; null: it can. */
  readonly refusal: string | null
  /** The first of those that wait, in their order. */
  readonly waiting: readonly QueuedExecution[]
  /** All that wait. */
  readonly waitingCount: number
  /** Oldest first. */
  readonly ends: readonly ExecutionEnd[]
}

/** An execution that a turn adds. */
export interface NewExecution {
  readonly nominalAt: Date
  readonly dueAt: Date
  readonly status: ExecutionStatus
  readonly reason: string | null
  /** `start`: its run is made with it; `queue`: later; `none`: never. */
  readonly run: 'start' | 'queue' | 'none'
}

/** What a schedule does in its turn. */
export interface TurnMoves {
  readonly add: readonly NewExecution[]
  /** Ids of executions that waited and get their runs. */
  readonly start: readonly string[]
  /** Executions that waited and are refused. */
  readonly refuse: readonly RefusedExecution[]
  /** All runs under way are stopped: another takes their place. */
  readonly stopsRunning: boolean
  readonly place: SchedulePlace
  readonly consecutiveFailures: number
  /** It is paused from now on. */
  readonly paused: PausedReason | null
  readonly missed: MissedTimes | null
  /** More is due at this moment. */
  readonly hasMore: boolean
  /** More of those that wait could start, and nothing else will tell of it. */
  readonly isWoken: boolean
}

/**
 * What a schedule does now: takes note of what has ended, pauses where its policy says so, sees to due times by the catch-up
 * window and the overlap policy, and starts what waits. Pure, so that whoever has the row's lock does the same.
 */
export function takeTurn(state: TurnState): TurnMoves {
  const turn = new Turn(state)
  turn.noteEnds()
  turn.seeToDueTimes()
  turn.startWaiting()
  return turn.moves()
}

class Turn {
  private readonly add: NewExecution[] = []
  private readonly start: string[] = []
  private readonly refuse: RefusedExecution[] = []
  private stopsRunning = false
  private paused: PausedReason | null = null
  private missed: MissedTimes | null = null
  private cursorAt: Date
  private executions: number
  private failures: number

  constructor(private readonly state: TurnState) {
    this.cursorAt = state.schedule.cursorAt
    this.executions = state.schedule.executions
    this.failures = state.schedule.consecutiveFailures
  }

  noteEnds(): void {
    for (const end of this.state.ends) {
      // Whoever has cancelled a run did not find that it fails.
      if (end !== 'cancelled') this.failures = end === 'failed' ? this.failures + 1 : 0
    }
    this.pauseAfterFailures()
  }

  seeToDueTimes(): void {
    const { schedule, now, watchedSince, graceSeconds } = this.state
    if (!this.isActive || schedule.nextRunAt === null || schedule.nextRunAt > now) return
    const delayMs = jitterMs(schedule.id, schedule.jitterSeconds)
    const windowMs = (schedule.catchUpSeconds + graceSeconds) * MS_PER_SECOND
    this.miss(this.withinLife(watchedSince.getTime() - delayMs - windowMs - 1))
    const until = this.withinLife(now.getTime() - delayMs)
    const times = this.timesUntil(until, MAX_DUE_PER_TURN + 1)
    for (const [index, nominalAt] of times.slice(0, MAX_DUE_PER_TURN).entries()) {
      this.fire(nominalAt, index === times.length - 1)
      this.cursorAt = nominalAt
      if (!this.isActive || this.isSpent) return
    }
    if (times.length <= MAX_DUE_PER_TURN) this.advanceTo(until)
  }

  startWaiting(): void {
    for (const execution of this.state.waiting) {
      if (!this.isActive || !this.hasRoom) return
      this.startOrRefuse(execution)
    }
  }

  moves(): TurnMoves {
    const { add, start, refuse, stopsRunning, paused, missed } = this
    const place = this.place()
    const isDue = place.nextRunAt !== null && place.nextRunAt <= this.state.now
    const isLeft = this.isActive && this.hasRoom && this.state.waitingCount > start.length + refuse.length
    return {
      add,
      start,
      refuse,
      stopsRunning,
      place,
      paused,
      missed,
      consecutiveFailures: this.failures,
      hasMore: isDue,
      isWoken: isLeft,
    }
  }

  /** Due times that are too late to be made up for, up to `until`. */
  private miss(until: Date): void {
    const times = this.timesUntil(until, MAX_MISSED_COUNTED + 1)
    const [first] = times
    if (first) {
      const { schedule } = this.state
      const count = Math.min(times.length, MAX_MISSED_COUNTED)
      const isCountExact = times.length <= MAX_MISSED_COUNTED
      this.missed = { count, isCountExact, firstDueAt: dueAt(schedule, first), until: dueAt(schedule, until) }
      for (const nominalAt of times.slice(0, MAX_MISSED_KEPT)) {
        this.put({ nominalAt, status: 'missed', reason: EXECUTION_REASONS.outage, run: 'none' })
      }
    }
    this.advanceTo(until)
  }

  private fire(nominalAt: Date, isLatest: boolean): void {
    const { refusal, schedule } = this.state
    if (refusal === EXECUTION_REASONS.notPermitted) {
      this.put({ nominalAt, status: 'skipped', reason: refusal, run: 'none' })
      this.paused = 'not_permitted'
      return
    }
    if (refusal !== null) {
      this.put({ nominalAt, status: 'failed', reason: refusal, run: 'none' })
      this.executions += 1
      this.fail()
      return
    }
    const admission = admit(schedule.overlap, this.open, isLatest)
    this.put({ nominalAt, ...admission.execution })
    this.stopsRunning ||= admission.stopsRunning
    if (admission.execution.run !== 'none') this.executions += 1
  }

  private startOrRefuse({ id, isOwn, refusal }: QueuedExecution): void {
    if (refusal === null) {
      this.start.push(id)
    } else if (refusal !== EXECUTION_REASONS.notPermitted) {
      this.refuse.push({ id, status: 'failed', reason: refusal })
      this.fail()
    } else if (isOwn) {
      // It waits on, for whoever resumes the schedule.
      this.paused = 'not_permitted'
    } else {
      this.refuse.push({ id, status: 'skipped', reason: refusal })
    }
  }

  private fail(): void {
    this.failures += 1
    this.pauseAfterFailures()
  }

  private pauseAfterFailures(): void {
    const { schedule } = this.state
    const limit = schedule.pauseAfterFailures
    if (schedule.isActive && limit !== null && this.failures >= limit) this.paused = 'failures'
  }

  private put(execution: Omit<NewExecution, 'dueAt'>): void {
    this.add.push({ ...execution, dueAt: dueAt(this.state.schedule, execution.nominalAt) })
  }

  private timesUntil(until: Date, limit: number): Date[] {
    return timesBetween(timingOf(this.state.schedule), { after: this.cursorAt, until, limit })
  }

  private advanceTo(nominalAt: Date): void {
    if (nominalAt > this.cursorAt) this.cursorAt = nominalAt
  }

  /** A moment, or the schedule's end where that is before it. */
  private withinLife(timeMs: number): Date {
    const { endsAt } = this.state.schedule
    return new Date(endsAt ? Math.min(timeMs, endsAt.getTime()) : timeMs)
  }

  private place(): SchedulePlace {
    const { schedule } = this.state
    const { anchorAt, nextNominalAt, nextRunAt, endedReason } = schedule
    const { cursorAt, executions } = this
    if (!this.isActive) return { anchorAt, cursorAt, executions, nextNominalAt: null, nextRunAt: null, endedReason }
    const isUnmoved = cursorAt.getTime() === schedule.cursorAt.getTime() && executions === schedule.executions
    if (isUnmoved) return { anchorAt, cursorAt, executions, nextNominalAt, nextRunAt, endedReason }
    return placeAfter({ ...schedule, executions }, cursorAt)
  }

  private get isActive(): boolean {
    return this.state.schedule.isActive && this.paused === null
  }

  /** It has had all its executions. */
  private get isSpent(): boolean {
    const { maxExecutions } = this.state.schedule
    return maxExecutions !== null && this.executions >= maxExecutions
  }

  /** What is open once all that this turn has decided is done. */
  private get open(): OpenExecutions {
    const added = (run: NewExecution['run']): number => this.add.filter((execution) => execution.run === run).length
    const { running, queued } = this.state
    const stillRunning = this.stopsRunning ? 0 : running
    return { running: stillRunning + added('start') + this.start.length, queued: queued + added('queue') }
  }

  /** Whether another of those that wait may run. */
  private get hasRoom(): boolean {
    return admit(this.state.schedule.overlap, { running: this.open.running, queued: 0 }, true).hasRoom
  }
}
