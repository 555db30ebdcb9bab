import { Injectable } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import pLimit from 'p-limit'
import { RunOrders } from '#modules/runs'
import { isContended, isUnavailable } from '#platform/database/database-error.js'
import type { ScheduleKey } from '../schedules/schedule.js'
import type { Reserved } from './ready-schedules.repository.js'
import { ScheduleTurns } from './schedule-turns.service.js'
import { TurnBackoff } from './turn-backoff.js'
import { type Batch, idsOf, partsOf, toBatches } from './turn-batches.js'

const SCHEDULES_PER_BATCH = 50
/** Each has a connection of those for what is due. */
const BATCHES_AT_ONCE = 3
/** Of one tenant under way or waiting: a place is left for the others, whatever it has due. */
const BATCHES_PER_TENANT = 2
/** Runs of due times wait for other due times no longer. */
const MAX_UNANNOUNCED_MS = 500

/**
 * Lets schedules of all tenants take their turns, some batches at once. One that fails, or waits for a lock, holds up no other: its
 * batch is tried one by one, and then it is left alone for a while.
 */
@Injectable()
export class TurnRounds {
  private readonly atOnce = pLimit(BATCHES_AT_ONCE)
  private readonly backoff = new TurnBackoff()
  private readonly busy = new Map<string, Promise<unknown>>()
  private readonly batches = new Map<string, number>()
  private unannouncedSinceMs = Infinity
  private isClosed = false

  constructor(
    private readonly turns: ScheduleTurns,
    private readonly orders: RunOrders,
    private readonly logger: PinoLogger,
  ) {
    logger.setContext(TurnRounds.name)
  }

  /** What is not to be looked at: schedules whose turn is coming, or has failed a moment ago; tenants that have as much under way as may be. */
  get reserved(): Reserved {
    const tenants = [...this.batches].flatMap(([tenantId, count]) => (count >= BATCHES_PER_TENANT ? [tenantId] : []))
    return { ids: [...this.busy.keys(), ...this.backoff.resting(performance.now())], tenants }
  }

  /** @returns once all have had their turns; whether one had anything to do. Never rejects. */
  async take(schedules: readonly ScheduleKey[]): Promise<boolean> {
    const batches = toBatches(
      schedules.filter(({ id }) => !this.busy.has(id)),
      SCHEDULES_PER_BATCH,
    )
    const taken = await Promise.all(batches.map((batch) => this.reserve(batch)))
    return taken.includes(true)
  }

  /** Has runs looked for that somebody else has ordered, when no due time waits any more. */
  async announce(ordered: number): Promise<void> {
    this.noteOrdered(ordered)
    await this.announceRuns()
  }

  /** No more turns; resolves when those under way are over. */
  async close(): Promise<void> {
    this.isClosed = true
    await Promise.all(this.busy.values())
  }

  private async reserve(batch: Batch): Promise<boolean> {
    const turns = this.atOnce(() => this.takeBatch(batch)).finally(() => this.leave(batch))
    for (const { tenantId, ids } of batch) {
      this.batches.set(tenantId, (this.batches.get(tenantId) ?? 0) + 1)
      for (const id of ids) this.busy.set(id, turns)
    }
    const hasTaken = await turns
    await this.announceRuns()
    return hasTaken
  }

  private leave(batch: Batch): void {
    for (const { tenantId, ids } of batch) {
      for (const id of ids) this.busy.delete(id)
      const left = (this.batches.get(tenantId) ?? 1) - 1
      if (left > 0) this.batches.set(tenantId, left)
      else this.batches.delete(tenantId)
    }
  }

  private async takeBatch(batch: Batch): Promise<boolean> {
    if (this.isClosed) return false
    try {
      const { taken, ordered, hasMore } = await this.turns.takeFree(batch)
      for (const id of idsOf(batch)) this.backoff.succeeded(id)
      this.noteOrdered(ordered)
      return taken > 0 || hasMore
    } catch (error) {
      return this.goOnAfter(error, batch)
    }
  }

  /** Tenant by tenant, and then one by one, unless the database is away, which is nobody's fault. */
  private async goOnAfter(error: unknown, batch: Batch): Promise<boolean> {
    const isAway = isUnavailable(error) && !isContended(error)
    const parts = isAway ? [] : partsOf(batch)
    if (parts.length > 1) {
      const taken: boolean[] = []
      for (const part of parts) taken.push(await this.takeBatch(part))
      return taken.includes(true)
    }
    const ids = idsOf(batch)
    if (!isAway) for (const id of ids) this.backoff.failed(id, performance.now())
    const { tenantId } = batch[0] ?? {}
    const fields = { err: error, event: 'schedule_turn_failed', tenantId, scheduleId: ids[0], schedules: ids.length }
    this.logger.warn(fields, 'schedule_turn_failed')
    return false
  }

  private noteOrdered(runs: number): void {
    if (runs > 0) this.unannouncedSinceMs = Math.min(this.unannouncedSinceMs, performance.now())
  }

  /** Runs that begin take cores and connections from due times that are yet to be seen to: these first. */
  private async announceRuns(): Promise<void> {
    const isPatient = this.busy.size > 0 && performance.now() - this.unannouncedSinceMs < MAX_UNANNOUNCED_MS
    if (this.unannouncedSinceMs === Infinity || isPatient) return
    this.unannouncedSinceMs = Infinity
    try {
      await this.orders.announce()
    } catch (error) {
      // The queue's sweep finds them.
      this.logger.warn({ err: error, event: 'schedule_announcement_failed' }, 'schedule_announcement_failed')
    }
  }
}
