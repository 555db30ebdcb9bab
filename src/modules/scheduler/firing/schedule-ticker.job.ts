import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { ReadySchedulesRepository } from './ready-schedules.repository.js'
import { ScheduleBell } from './schedule-bell.service.js'
import { TurnRounds } from './turn-rounds.service.js'
import { AHEAD_MS, TurnsAhead } from './turns-ahead.service.js'

/** Whatever became of the bell. */
const BACKSTOP_MS = 1000
/** Runs end by the hundred: those who ring within this share a look. */
const MIN_REST_MS = 25
const SCHEDULES_PER_LOOK = 500
/** A crowd is seen in time whenever the backstop rings. */
const LOOK_AHEAD_MS = BACKSTOP_MS + AHEAD_MS

/**
 * Fires what is due. It sleeps until the next due time that it knows of, or until somebody rings, on the database's clock: the
 * host's may jump. Every replica has one; none leads: the rows' locks say who fires what.
 */
@Injectable()
export class ScheduleTicker implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private isStopping = false
  /** When those who have rung since the last look are to be heard. */
  private wakeAtMs = Infinity
  private wake: () => void = () => undefined
  private ticking: Promise<void> | undefined

  constructor(
    private readonly ready: ReadySchedulesRepository,
    private readonly rounds: TurnRounds,
    private readonly ahead: TurnsAhead,
    private readonly bell: ScheduleBell,
    private readonly logger: PinoLogger,
  ) {
    logger.setContext(ScheduleTicker.name)
  }

  onApplicationBootstrap(): void {
    this.bell.listen(() => this.ring())
    this.ticking = this.tick()
  }

  /** What is at it ends first. */
  async beforeApplicationShutdown(): Promise<void> {
    this.isStopping = true
    this.wake()
    await this.ahead.close()
    await this.ticking
    await this.rounds.close()
  }

  private async tick(): Promise<void> {
    while (!this.isStopping) {
      this.wakeAtMs = Infinity
      const restMs = await this.look()
      if (!this.isStopping) await this.rest(restMs)
    }
  }

  /** Turns go on while the next look is made: one that takes long holds up nobody. @returns how long there is nothing to do. Never rejects. */
  private async look(): Promise<number> {
    try {
      const { ids, tenants } = this.rounds.reserved
      const except = { ids: [...ids, ...this.ahead.ids], tenants }
      const look = { limit: SCHEDULES_PER_LOOK, aheadMs: LOOK_AHEAD_MS, except }
      const { ready, upcoming, isFull } = await this.ready.look(look)
      void this.take(ready)
      this.ahead.take(upcoming, () => this.ring(0))
      return isFull ? MIN_REST_MS : Math.min(BACKSTOP_MS, this.ahead.restMs(upcoming))
    } catch (error) {
      this.logger.warn({ err: error, event: 'schedule_look_failed' }, 'schedule_look_failed')
      return BACKSTOP_MS
    }
  }

  /** Those that had something to do may have more, and their next time is to be learned. */
  private async take(ready: Parameters<TurnRounds['take']>[0]): Promise<void> {
    if (ready.length > 0 && (await this.rounds.take(ready))) this.ring(0)
  }

  /** Those who ring within a moment share a look. */
  private ring(restMs = MIN_REST_MS): void {
    this.wakeAtMs = Math.min(this.wakeAtMs, performance.now() + restMs)
    this.wake()
  }

  private async rest(restMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const endsAtMs = performance.now() + restMs
    let timer: NodeJS.Timeout | undefined
    this.wake = () => {
      clearTimeout(timer)
      const leftMs = this.isStopping ? 0 : Math.min(endsAtMs, this.wakeAtMs) - performance.now()
      timer = setTimeout(resolve, Math.max(0, Math.ceil(leftMs)))
    }
    this.wake()
    await promise
    this.wake = () => undefined
  }
}
