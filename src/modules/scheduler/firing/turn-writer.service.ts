import { Injectable } from '@nestjs/common'
import { newId } from '#kernel/ids.js'
import { type RunOrder, RunOrders } from '#modules/runs'
import type { Tx } from '#platform/database/tx.js'
import { EventBus } from '#platform/events/event-bus.js'
import { EXECUTION_REASONS } from '../executions/execution.js'
import { ScheduleEnded, ScheduleMissed, SchedulePaused } from '../schedules/schedule.events.js'
import type { ScheduleRecord } from '../schedules/schedule.js'
import { TZ_DATABASE_VERSION } from '../timing/tz-database.js'
import { FiringMetrics } from './firing-metrics.service.js'
import type { LockedTurn } from './locked-turn.js'
import { keyOf, type RunPlan } from './run-plan.js'
import type { NewExecution } from './schedule-turn.js'
import { TurnWritesRepository } from './turn-writes.repository.js'
import type { ExecutionToAdd, ScheduleStanding, StartedExecution } from './turn-writes.js'

/** Writes down what schedules of a tenant do in their turns: executions, runs, their next times, and what is told of it. One commit. */
@Injectable()
export class TurnWriter {
  constructor(
    private readonly orders: RunOrders,
    private readonly repository: TurnWritesRepository,
    private readonly events: EventBus,
    private readonly metrics: FiringMetrics,
  ) {}

  /** Their rows are locked by `tx`. */
  async write(turns: readonly LockedTurn[], tx: Tx): Promise<void> {
    const drafts = turns.flatMap(toDrafts)
    const starts = turns.flatMap(toStarts)
    const runIds = await this.orders.add([...drafts.flatMap(({ order }) => order ?? []), ...starts.map(({ order }) => order)], tx)
    const nextRun = runIds.values()
    const added = drafts.map(({ order, execution }) => ({ ...execution, runId: order ? (nextRun.next().value ?? null) : null }))
    const started = starts.map(({ id }, index): StartedExecution => ({ id, runId: runIds[runIds.length - starts.length + index] ?? '' }))
    await Promise.all([
      ifAny(turns.flatMap(({ closed }) => closed), (closed) => this.repository.close(closed, tx)),
      ifAny(turns.flatMap(({ counted }) => counted), (counted) => this.repository.count(counted, tx)),
      ifAny(turns.flatMap(({ moves }) => moves.refuse), (refused) => this.repository.refuse(refused, tx)),
      ifAny(started, () => this.repository.start(started, tx)),
      ifAny(added, () => this.repository.add(added, tx)),
      this.repository.update(turns.map(toStanding), TZ_DATABASE_VERSION, tx),
    ])
    for (const turn of turns) await this.stopRunning(turn, tx)
    for (const turn of turns) await this.tell(turn, tx)
    tx.afterCommit(() => turns.forEach((turn) => this.metrics.note(turn)))
  }

  /** Their executions end with their runs. */
  private async stopRunning({ schedule, running, moves, now }: LockedTurn, tx: Tx): Promise<void> {
    if (!moves.stopsRunning) return
    const { tenantId } = schedule
    await this.repository.giveReason(
      running.map(({ id }) => id),
      EXECUTION_REASONS.replaced,
      tx,
    )
    for (const { runId } of running) await this.orders.stop({ tenantId, runId }, now, tx)
  }

  private async tell({ schedule, moves }: LockedTurn, tx: Tx): Promise<void> {
    const { missed, paused, place } = moves
    if (missed) await this.events.emit(new ScheduleMissed(schedule, missed), tx)
    if (paused) await this.events.emit(new SchedulePaused(schedule, paused), tx)
    const hasEnded = place.endedReason !== null && schedule.endedReason === null
    if (hasEnded && place.endedReason) await this.events.emit(new ScheduleEnded(schedule, place.endedReason), tx)
  }
}

interface Draft {
  readonly execution: ExecutionToAdd
  readonly order: RunOrder | null
}

function toDrafts({ schedule, plans, moves, now }: LockedTurn): Draft[] {
  return moves.add.map((execution) => ({
    execution: toExecution(schedule, execution),
    order: execution.run === 'start' ? toOrder(schedule, plans.get(keyOf(schedule)), now) : null,
  }))
}

function toStarts({ schedule, waiting, moves, now }: LockedTurn): { id: string; order: RunOrder }[] {
  return moves.start.map((id) => ({ id, order: toOrder(schedule, waiting.get(id), now) }))
}

function toOrder(schedule: ScheduleRecord, plan: RunPlan | undefined, at: Date): RunOrder {
  if (!plan || plan.refusal !== null) throw new Error('a run that was not planned')
  return { plan: plan.run, projectId: schedule.projectId, scheduleId: schedule.id, at }
}

function toExecution({ id: scheduleId }: ScheduleRecord, execution: NewExecution): ExecutionToAdd {
  const { nominalAt, dueAt, status, reason, run } = execution
  const own = { trigger: 'schedule' as const, runId: null, userId: null, apiKeyId: null }
  return { ...own, id: newId(), scheduleId, nominalAt, dueAt, status, reason, isQueued: run === 'queue' }
}

function toStanding({ schedule, moves }: LockedTurn): ScheduleStanding {
  const { add, start, place, paused, consecutiveFailures } = moves
  const { anchorAt: _anchorAt, ...standing } = place
  return {
    ...standing,
    id: schedule.id,
    isActive: schedule.isActive && paused === null,
    pausedReason: paused ?? schedule.pausedReason,
    consecutiveFailures,
    hasFired: start.length > 0 || add.some(({ run }) => run === 'start'),
  }
}

async function ifAny<T>(items: readonly T[], write: (items: readonly T[]) => Promise<void>): Promise<void> {
  if (items.length > 0) await write(items)
}
