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
import { hasConsequences, type LockedTurn } from './locked-turn.js'
import { keyOf, type RunPlan } from './run-plan.js'
import type { NewExecution } from './schedule-turn.js'
import { TurnWritesRepository } from './turn-writes.repository.js'
import type { ExecutionToAdd, ScheduleStanding } from './turn-writes.js'

/** Executions of what was written before its time say that they were fired when they were due, unless it was later than this. */
const TOLD_LATENESS_MS = 5

/** Writes down what schedules of a tenant do in their turns: executions, runs, their next times, and what is told of it. One commit. */
@Injectable()
export class TurnWriter {
  constructor(
    private readonly orders: RunOrders,
    private readonly repository: TurnWritesRepository,
    private readonly events: EventBus,
    private readonly metrics: FiringMetrics,
  ) {}

  /**
   * Their rows are locked by `tx`.
   * @param announcesRuns else whoever has more to write announces them, once
   * @returns how many runs were ordered
   */
  async write(turns: readonly LockedTurn[], { announcesRuns }: { announcesRuns: boolean }, tx: Tx): Promise<number> {
    const ordered = await this.writeTurns(turns, announcesRuns, tx)
    tx.afterCommit(() => turns.forEach((turn) => this.metrics.note(turn, turn.now)))
    return ordered
  }

  /**
   * The same before their time, `dueAt`, and unannounced.
   * @param wait for that time; resolves with when it was over
   */
  async writeAhead(turns: readonly LockedTurn[], dueAt: Date, wait: () => Promise<Date>, tx: Tx): Promise<number> {
    const ordered = await this.writeTurns(turns, false, tx)
    const firedAt = await wait()
    if (firedAt.getTime() - dueAt.getTime() > TOLD_LATENESS_MS) {
      const delays = inOrder(turns).map(([tenantId, some]) => {
        const ids = some.map(({ schedule }) => schedule.id)
        return tx.within({ tenantId }, () => this.repository.delay(dueAt, ids, firedAt, tx))
      })
      await Promise.all(delays)
    }
    tx.afterCommit(() => turns.forEach((turn) => this.metrics.note(turn, firedAt)))
    return ordered
  }

  private async writeTurns(turns: readonly LockedTurn[], announcesRuns: boolean, tx: Tx): Promise<number> {
    const byTenant = inOrder(turns)
    const ordered = await Promise.all(
      byTenant.map(([tenantId, some]) => tx.within({ tenantId }, () => this.writeRows(some, announcesRuns, tx))),
    )
    for (const [tenantId, some] of byTenant) await this.follow(tenantId, some, tx)
    return ordered.reduce((sum, count) => sum + count, 0)
  }

  /** Of one tenant. Asks for all that it writes before it waits for any. */
  private async writeRows(turns: readonly LockedTurn[], announcesRuns: boolean, tx: Tx): Promise<number> {
    const added = turns.flatMap(toAdded)
    const started = turns.flatMap(toStarted)
    const orders = [...added, ...started].flatMap(({ order }) => order ?? [])
    await Promise.all([
      // First of all: executions refer to their runs.
      ifAny(orders, (some) => (announcesRuns ? this.orders.add(some, tx) : this.orders.addUnannounced(some, tx))),
      ifAny(
        turns.flatMap(({ closed }) => closed),
        (some) => this.repository.close(some, tx),
      ),
      ifAny(
        turns.flatMap(({ counted }) => counted),
        (some) => this.repository.count(some, tx),
      ),
      ifAny(
        turns.flatMap(({ moves }) => moves.refuse),
        (some) => this.repository.refuse(some, tx),
      ),
      ifAny(
        started.map(({ id, order }) => ({ id, runId: order.runId })),
        (some) => this.repository.start(some, tx),
      ),
      ifAny(
        added.map(({ execution }) => execution),
        (some) => this.repository.add(some, tx),
      ),
      this.repository.update(turns.map(toStanding), TZ_DATABASE_VERSION, tx),
    ])
    return orders.length
  }

  /** What else comes of it, of one tenant: few turns have any of it. */
  private async follow(tenantId: string, turns: readonly LockedTurn[], tx: Tx): Promise<void> {
    const eventful = turns.filter(hasConsequences)
    if (eventful.length === 0) return
    await tx.rescope({ tenantId })
    await this.stopRunning(eventful, tx)
    for (const turn of eventful) await this.tell(turn, tx)
  }

  /** Their executions end with their runs. */
  private async stopRunning(turns: readonly LockedTurn[], tx: Tx): Promise<void> {
    const stopped = turns.flatMap(({ schedule: { tenantId }, now, moves, running }) =>
      moves.stopsRunning ? running.map(({ id, runId }) => ({ id, runId, tenantId, now })) : [],
    )
    if (stopped.length === 0) return
    // In the order in which everybody locks runs.
    const inOrder = stopped.toSorted((a, b) => (a.runId < b.runId ? -1 : 1))
    for (const { now, ...run } of inOrder) await this.orders.stop(run, now, tx)
    const ids = stopped.map(({ id }) => id)
    await this.repository.giveReason(ids, EXECUTION_REASONS.replaced, tx)
  }

  private async tell({ schedule, moves, hadEnded }: LockedTurn, tx: Tx): Promise<void> {
    const { missed, paused, place } = moves
    if (missed) await this.events.emit(new ScheduleMissed(schedule, missed), tx)
    if (paused) await this.events.emit(new SchedulePaused(schedule, paused), tx)
    if (!hadEnded && place.endedReason) await this.events.emit(new ScheduleEnded(schedule, place.endedReason), tx)
  }
}

/** By tenant, in one order: what is locked last, as the commit of runs' ends locks a tenant's budgets, two of us must not lock crosswise. */
function inOrder(turns: readonly LockedTurn[]): [string, LockedTurn[]][] {
  return [...Map.groupBy(turns, ({ schedule }) => schedule.tenantId)].toSorted(([a], [b]) => (a < b ? -1 : 1))
}

function toAdded({ schedule, plans, moves, now }: LockedTurn): { execution: ExecutionToAdd; order: RunOrder | null }[] {
  return moves.add.map((execution) => {
    const order = execution.run === 'start' ? toOrder(schedule, plans.get(keyOf(schedule)), now) : null
    return { execution: toExecution(schedule, execution, order), order }
  })
}

function toStarted({ schedule, waiting, moves, now }: LockedTurn): { id: string; order: RunOrder }[] {
  return moves.start.map((id) => ({ id, order: toOrder(schedule, waiting.get(id), now) }))
}

function toOrder(schedule: ScheduleRecord, plan: RunPlan | undefined, at: Date): RunOrder {
  if (!plan || plan.refusal !== null) throw new Error('a run that was not planned')
  return { runId: newId(), plan: plan.run, projectId: schedule.projectId, scheduleId: schedule.id, at }
}

function toExecution(
  { id: scheduleId }: ScheduleRecord,
  { nominalAt, dueAt, status, reason, run }: NewExecution,
  order: RunOrder | null,
): ExecutionToAdd {
  return {
    id: newId(),
    scheduleId,
    trigger: 'schedule',
    nominalAt,
    dueAt,
    status,
    reason,
    runId: order && order.runId,
    isQueued: run === 'queue',
    userId: null,
    apiKeyId: null,
  }
}

function toStanding({ schedule, moves, now }: LockedTurn): ScheduleStanding {
  const { add, start, place, paused, consecutiveFailures } = moves
  const { anchorAt: _anchorAt, ...standing } = place
  return {
    ...standing,
    id: schedule.id,
    isActive: schedule.isActive && paused === null,
    isWoken: moves.isWoken,
    pausedReason: paused ?? schedule.pausedReason,
    consecutiveFailures,
    hasFired: start.length > 0 || add.some(({ run }) => run === 'start'),
    now,
  }
}

async function ifAny<T>(items: readonly T[], write: (items: readonly T[]) => Promise<void>): Promise<void> {
  if (items.length > 0) await write(items)
}
