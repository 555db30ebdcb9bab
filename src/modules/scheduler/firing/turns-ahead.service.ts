import { Injectable } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import type { UpcomingSchedule } from './ready-schedules.repository.js'
import { ScheduleTurns } from './schedule-turns.service.js'
import { type Batch, idsOf, toBatches } from './turn-batches.js'
import { TurnRounds } from './turn-rounds.service.js'

/** What is written before it is due is held for this long at most, and so is who wants to change it. */
export const AHEAD_MS = 900
/** Due at one instant. Fewer are fired in some milliseconds when they are due. */
const CROWD = 50
const SCHEDULES_PER_BATCH = 300
/** Each holds a connection of those for what is due until then. */
export const BATCHES_AHEAD = 2

/**
 * Fires crowds in time: of many schedules that are due at one instant the last would be late by what the others take, so that
 * their turns are written before it, and committed at it. Whatever becomes of that, a due time that is not committed is due.
 */
@Injectable()
export class TurnsAhead {
  private readonly held = new Set<Promise<void>>()
  private readonly heldIds = new Set<string>()
  /** By schedule, the due times that were tried, in milliseconds since 1970: what could not be had then is another replica's, or not to be had. */
  private readonly tried = new Map<string, number>()
  private readonly closing = new AbortController()

  constructor(
    private readonly turns: ScheduleTurns,
    private readonly rounds: TurnRounds,
    private readonly logger: PinoLogger,
  ) {
    logger.setContext(TurnsAhead.name)
  }

  /** Schedules whose turns are under way. */
  get ids(): string[] {
    return [...this.heldIds]
  }

  /** Until there is a crowd to begin with, or a schedule is due; `Infinity`: neither, of these. */
  restMs(upcoming: readonly UpcomingSchedule[]): number {
    const [first] = this.nextCrowd(upcoming)
    // One whose time to begin has come waits for what is due, which rings.
    const beginsInMs = first && first.inMs > AHEAD_MS ? first.inMs - AHEAD_MS : Infinity
    return Math.min(beginsInMs, ...upcoming.map(({ inMs }) => inMs))
  }

  /**
   * Begins with the next crowd, as far as there is room. Nobody needs to wait for it.
   * @returns resolves when all of it is over; null: it has not begun with any. Never rejects.
   */
  take(upcoming: readonly UpcomingSchedule[]): Promise<unknown> | null {
    const crowd = this.nextCrowd(upcoming)
    const [first] = crowd
    if (!first || first.inMs > AHEAD_MS || this.closing.signal.aborted) return null
    this.forget(first.dueAt.getTime() - first.inMs)
    const batches = toBatches(crowd, SCHEDULES_PER_BATCH).slice(0, BATCHES_AHEAD - this.held.size)
    return Promise.all(batches.map((batch) => this.hold(batch, first.dueAt)))
  }

  /** Gives back what is held. */
  async close(): Promise<void> {
    this.closing.abort()
    await Promise.all(this.held)
  }

  /** The first that are due at one instant in sufficient numbers, and may be had. */
  private nextCrowd(upcoming: readonly UpcomingSchedule[]): UpcomingSchedule[] {
    if (this.held.size >= BATCHES_AHEAD) return []
    const free = upcoming.filter(({ id, dueAt }) => this.tried.get(id) !== dueAt.getTime())
    const crowds = [...Map.groupBy(free, ({ dueAt }) => dueAt.getTime()).values()]
    const [next] = crowds.filter(({ length }) => length >= CROWD).toSorted(([a], [b]) => a!.inMs - b!.inMs)
    return next ?? []
  }

  private forget(beforeMs: number): void {
    for (const [id, dueMs] of this.tried) if (dueMs < beforeMs) this.tried.delete(id)
  }

  private hold(batch: Batch, dueAt: Date): Promise<void> {
    const ids = idsOf(batch)
    for (const id of ids) {
      this.heldIds.add(id)
      this.tried.set(id, dueAt.getTime())
    }
    const turns = this.fire(batch, dueAt).finally(() => {
      this.held.delete(turns)
      for (const id of ids) this.heldIds.delete(id)
    })
    this.held.add(turns)
    return turns
  }

  private async fire(batch: Batch, dueAt: Date): Promise<void> {
    try {
      const { ordered } = await this.turns.takeAhead(batch, dueAt, this.closing.signal)
      await this.rounds.announce(ordered)
    } catch (error) {
      if (this.closing.signal.aborted) return
      this.logger.warn(
        { err: error, event: 'schedules_ahead_failed', schedules: idsOf(batch).length },
        'schedules_ahead_failed',
      )
    }
  }
}
