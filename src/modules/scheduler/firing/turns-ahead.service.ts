import { Injectable } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { ReadySchedulesRepository, type UpcomingSchedule } from './ready-schedules.repository.js'
import { ScheduleTurns } from './schedule-turns.service.js'
import { type Batch, idsOf, toBatches } from './turn-batches.js'
import { TurnRounds } from './turn-rounds.service.js'

/** What is written before it is due is held for this long at most, and so is who wants to change it. */
export const AHEAD_MS = 900
/** Due at one instant. Fewer are fired in some milliseconds when they are due. */
const CROWD = 50
const SCHEDULES_PER_BATCH = 300
/** Each holds a connection of those for what is due until then. */
const BATCHES_AHEAD = 2
/** Of one instant: schedules that could not be had are another replica's, or are not to be had ahead. */
const MAX_BATCHES_TRIED = 4
/** What replicas have written ahead is committed by then; what is left is looked at after that. */
const SETTLED_MS = 25

/** What was tried of an instant. */
interface Attempts {
  readonly ids: Set<string>
  batches: number
}

/**
 * Fires crowds in time: of many schedules that are due at one instant the last would be late by what the others take, so that
 * their turns are written before it, and committed at it. Whatever becomes of that, a due time that is not committed is due.
 */
@Injectable()
export class TurnsAhead {
  private readonly held = new Set<Promise<void>>()
  private readonly heldIds = new Set<string>()
  /** By instant, in milliseconds since 1970. */
  private readonly attempts = new Map<number, Attempts>()
  private readonly closing = new AbortController()
  private filling: Promise<void> | undefined

  constructor(
    private readonly ready: ReadySchedulesRepository,
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
    const next = this.nextCrowd(upcoming)
    const beginsInMs = next && next.inMs > AHEAD_MS ? next.inMs - AHEAD_MS : Infinity
    const dueInMs = upcoming.map(({ dueAt, inMs }) => inMs + (this.attempts.has(dueAt.getTime()) ? SETTLED_MS : 0))
    return Math.min(beginsInMs, ...dueInMs)
  }

  /**
   * Begins with the next crowd, as far as there is room.
   * @param ring is called each time that there is room again
   */
  take(upcoming: readonly UpcomingSchedule[], ring: () => void): void {
    const next = this.nextCrowd(upcoming)
    if (!next || next.inMs > AHEAD_MS || this.filling || this.closing.signal.aborted) return
    this.forgetBefore(next.dueAt.getTime() - next.inMs)
    this.filling = this.fill(next.dueAt, ring).finally(() => (this.filling = undefined))
  }

  /** Gives back what is held. */
  async close(): Promise<void> {
    this.closing.abort()
    await this.filling
    await Promise.all(this.held)
  }

  /** The first instant at which so many are due, and of which there may be some to be had. */
  private nextCrowd(upcoming: readonly UpcomingSchedule[]): UpcomingSchedule | undefined {
    if (this.held.size >= BATCHES_AHEAD) return undefined
    const crowds = [...Map.groupBy(upcoming, ({ dueAt }) => dueAt.getTime())].flatMap(([dueMs, [first, ...others]]) => {
      const isOpen = (this.attempts.get(dueMs)?.batches ?? 0) < MAX_BATCHES_TRIED
      return first && others.length + 1 >= CROWD && isOpen ? [first] : []
    })
    return crowds.toSorted((a, b) => a.inMs - b.inMs)[0]
  }

  private forgetBefore(nowMs: number): void {
    for (const dueMs of this.attempts.keys()) if (dueMs < nowMs) this.attempts.delete(dueMs)
  }

  /** Never rejects. */
  private async fill(dueAt: Date, ring: () => void): Promise<void> {
    const attempts = this.attempts.get(dueAt.getTime()) ?? { ids: new Set<string>(), batches: 0 }
    this.attempts.set(dueAt.getTime(), attempts)
    const room = BATCHES_AHEAD - this.held.size
    try {
      const ask = { dueAt, except: [...attempts.ids], limit: room * SCHEDULES_PER_BATCH }
      const crowd = await this.ready.listCrowd(ask)
      if (crowd.length === 0) attempts.batches = MAX_BATCHES_TRIED
      for (const batch of toBatches(crowd, SCHEDULES_PER_BATCH).slice(0, room)) {
        attempts.batches += 1
        for (const id of idsOf(batch)) attempts.ids.add(id)
        this.hold(batch, dueAt, ring)
      }
    } catch (error) {
      attempts.batches = MAX_BATCHES_TRIED
      this.logger.warn({ err: error, event: 'schedules_ahead_failed' }, 'schedules_ahead_failed')
    }
  }

  private hold(batch: Batch, dueAt: Date, ring: () => void): void {
    const ids = idsOf(batch)
    for (const id of ids) this.heldIds.add(id)
    const turns = this.fire(batch, dueAt).finally(() => {
      this.held.delete(turns)
      for (const id of ids) this.heldIds.delete(id)
      ring()
    })
    this.held.add(turns)
  }

  /** Never rejects. */
  private async fire(batch: Batch, dueAt: Date): Promise<void> {
    try {
      const { ordered } = await this.turns.takeAhead(batch, dueAt, this.closing.signal)
      await this.rounds.announce(ordered)
    } catch (error) {
      if (this.closing.signal.aborted) return
      const fields = { err: error, event: 'schedules_ahead_failed', schedules: idsOf(batch).length }
      this.logger.warn(fields, 'schedules_ahead_failed')
    }
  }
}
