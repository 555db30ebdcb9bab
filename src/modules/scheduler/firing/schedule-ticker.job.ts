import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import pLimit from 'p-limit'
import type { ScheduleKey } from '../schedules/schedule.js'
import { TimesRefresh } from './times-refresh.job.js'
import { ReadySchedulesRepository } from './ready-schedules.repository.js'
import { ScheduleBell } from './schedule-bell.service.js'
import { ScheduleTurns } from './schedule-turns.service.js'

/** Whatever became of the bell. */
const BACKSTOP_MS = 1000
/** Runs end by the hundred: those who ring within this share a look. */
const MIN_REST_MS = 25
const SCHEDULES_PER_LOOK = 500
/** Runs of due times wait for other due times no longer. */
const MAX_UNANNOUNCED_MS = 500
/** Schedules of one tenant in one transaction. */
const SCHEDULES_PER_BATCH = 100
/** Each has a connection of those for what is due. */
const BATCHES_AT_ONCE = 3

/** What became of batches. */
interface Taken {
  /** There was something to do, so there may be more. */
  readonly taken: boolean
  /** Nobody looks for their runs yet. */
  readonly hasOrdered: boolean
  readonly hasFailed: boolean
}

const NOTHING: Taken = { taken: false, hasOrdered: false, hasFailed: false }

interface Batch {
  readonly tenantId: string
  readonly ids: readonly string[]
}

/**
 * Fires what is due. It sleeps until the next due time that it knows of, or until somebody rings, on the database's clock: the
 * host's may jump. Every replica has one; none leads: the rows' locks say who fires what.
 */
@Injectable()
export class ScheduleTicker implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly atOnce = pLimit(BATCHES_AT_ONCE)
  private isStopping = false
  private hasRung = false
  private unannouncedSince = Infinity
  private wake: () => void = () => undefined
  private ticking: Promise<void> | undefined

  constructor(
    private readonly ready: ReadySchedulesRepository,
    private readonly turns: ScheduleTurns,
    private readonly refresh: TimesRefresh,
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
    await this.ticking
  }

  private async tick(): Promise<void> {
    // By the time zones' rules of this server, before anything fires by those of another.
    await this.refresh.sweep()
    while (!this.isStopping) {
      this.hasRung = false
      const restMs = await this.look()
      await this.announceRuns(restMs)
      if (!this.isStopping) await this.rest(restMs)
    }
  }

  /** Runs that begin take the cores and the connections from due times that are yet to be seen to: these first. */
  private async announceRuns(restMs: number): Promise<void> {
    const isPatient = restMs === 0 && !this.isStopping && performance.now() - this.unannouncedSince < MAX_UNANNOUNCED_MS
    if (this.unannouncedSince === Infinity || isPatient) return
    this.unannouncedSince = Infinity
    try {
      await this.turns.announceRuns()
    } catch (error) {
      // The queue's sweep finds them.
      this.logger.warn({ err: error, event: 'schedule_announcement_failed' }, 'schedule_announcement_failed')
    }
  }

  /** @returns how long there is nothing to do. Never rejects. */
  private async look(): Promise<number> {
    try {
      const { ready, nextInMs, isFull } = await this.ready.look({ limit: SCHEDULES_PER_LOOK, aheadMs: BACKSTOP_MS })
      const lookedAt = performance.now()
      const { taken, hasOrdered, hasFailed } = await this.takeTurns(ready)
      if (hasOrdered) this.unannouncedSince = Math.min(this.unannouncedSince, performance.now())
      // When those are due again is to be seen.
      if (taken) return 0
      // All are in the hands of others, who leave some behind these.
      if (isFull && !hasFailed) return MIN_REST_MS
      return Math.max(0, (nextInMs ?? BACKSTOP_MS) - (performance.now() - lookedAt))
    } catch (error) {
      this.logger.warn({ err: error, event: 'schedule_look_failed' }, 'schedule_look_failed')
      return BACKSTOP_MS
    }
  }

  private async takeTurns(ready: readonly ScheduleKey[]): Promise<Taken> {
    const taken = await Promise.all(toBatches(ready).map((batch) => this.atOnce(() => this.takeBatch(batch))))
    return join(taken)
  }

  /** One that cannot be fired must not hold up the others: it is tried again with the next look. */
  private async takeBatch({ tenantId, ids }: Batch): Promise<Taken> {
    if (this.isStopping) return NOTHING
    try {
      const { taken, ordered, hasMore } = await this.turns.takeFree(tenantId, ids)
      return { taken: taken > 0 || hasMore, hasOrdered: ordered > 0, hasFailed: false }
    } catch (error) {
      if (ids.length > 1) return this.takeEach({ tenantId, ids })
      const fields = { err: error, event: 'schedule_turn_failed', tenantId, scheduleId: ids[0] }
      this.logger.warn(fields, 'schedule_turn_failed')
      return { ...NOTHING, hasFailed: true }
    }
  }

  private async takeEach({ tenantId, ids }: Batch): Promise<Taken> {
    const taken: Taken[] = []
    for (const id of ids) taken.push(await this.takeBatch({ tenantId, ids: [id] }))
    return join(taken)
  }

  /** Those who ring within a moment share a look. */
  private ring(): void {
    if (this.hasRung) return
    this.hasRung = true
    this.wake()
  }

  private async rest(restMs: number): Promise<void> {
    if (restMs === 0) return
    const { promise, resolve } = Promise.withResolvers<void>()
    let timer = setTimeout(resolve, Math.ceil(restMs))
    this.wake = () => {
      this.wake = resolve
      clearTimeout(timer)
      timer = setTimeout(resolve, this.isStopping ? 0 : Math.min(restMs, MIN_REST_MS))
    }
    if (this.hasRung) this.wake()
    await promise
    this.wake = () => undefined
    clearTimeout(timer)
  }
}

function join(taken: readonly Taken[]): Taken {
  return {
    taken: taken.some((one) => one.taken),
    hasOrdered: taken.some((one) => one.hasOrdered),
    hasFailed: taken.some((one) => one.hasFailed),
  }
}

/** In an order of chance: replicas that look at the same moment then begin with different ones. */
function toBatches(ready: readonly ScheduleKey[]): Batch[] {
  const byTenant = Map.groupBy(ready, ({ tenantId }) => tenantId)
  const batches = [...byTenant].flatMap(([tenantId, schedules]) =>
    chunk(schedules, SCHEDULES_PER_BATCH).map((some) => ({ tenantId, ids: some.map(({ id }) => id) })),
  )
  return batches
    .map((batch) => ({ batch, turn: Math.random() }))
    .toSorted((a, b) => a.turn - b.turn)
    .map(({ batch }) => batch)
}

function chunk<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  )
}
