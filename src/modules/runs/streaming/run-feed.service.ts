import { randomBytes } from 'node:crypto'
import { type BeforeApplicationShutdown, Injectable, type OnModuleInit } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { Notifications } from '#platform/database/notifications.js'
import type { Tx } from '#platform/database/tx.js'
import type { RunEnding } from '../engine/run-ending.js'
import type { RunEvent } from './run-event.js'

const CHANNEL = 'run_events'
/** PostgreSQL takes notifications of up to 8000 bytes; a UUID and its comma are 37. */
const MAX_RUNS_PER_NOTIFICATION = 200
const ORIGIN_BYTES = 8

/**
 * @param events what has just happened on this replica, in order, perhaps before it is stored; null: something has, on any
 *   replica, and the rows tell what
 * @param ending with the last event, when the run ended on this replica: how
 */
export type FeedListener = (events: readonly RunEvent[] | null, ending?: RunEnding) => void

/** Tells those on this replica who follow a run that something has happened in it, wherever it happened. */
@Injectable()
export class RunFeed implements OnModuleInit, BeforeApplicationShutdown {
  private readonly listeners = new Map<string, Set<FeedListener>>()
  private readonly origin = randomBytes(ORIGIN_BYTES).toString('hex')
  private readonly endListeners: (() => void)[] = []

  constructor(
    private readonly notifications: Notifications,
    private readonly logger: PinoLogger,
  ) {
    logger.setContext(RunFeed.name)
  }

  async onModuleInit(): Promise<void> {
    await this.notifications.listen(CHANNEL, (payload) => {
      if (payload === null) return this.listeners.forEach((_, runId) => this.tell(runId, null))
      const [runIds = '', origin] = payload.split(' ')
      // What happened here, followers here have been told at once.
      if (origin === this.origin) return
      for (const runId of runIds.split(',')) this.tell(runId, null)
    })
  }

  /** After the worker, which stands on this: runs that were about to end have. */
  beforeApplicationShutdown(): void {
    for (const listener of this.endListeners) listener()
  }

  /** Calls `listener` when the replica stops and its worker is done: nothing more will be published here. */
  onEnd(listener: () => void): void {
    this.endListeners.push(listener)
  }

  /** Calls `listener` until the subscription is disposed of. What it throws is logged. */
  subscribe(runId: string, listener: FeedListener): Disposable {
    const group = this.listeners.get(runId) ?? new Set()
    this.listeners.set(runId, group.add(listener))
    return {
      [Symbol.dispose]: () => {
        group.delete(listener)
        if (group.size === 0 && this.listeners.get(runId) === group) this.listeners.delete(runId)
      },
    }
  }

  /** To this replica's followers, at once. Events of one run come in the order of their numbers. */
  publish(runId: string, events: readonly RunEvent[], ending?: RunEnding): void {
    if (events.length > 0) this.tell(runId, events, ending)
  }

  /** To this replica's followers: the rows tell what has happened. */
  lookAt(runId: string): void {
    this.tell(runId, null)
  }

  /** To all other replicas, when `tx` commits: these runs have new rows. */
  async announce(runIds: readonly string[], tx: Tx): Promise<void> {
    for (let start = 0; start < runIds.length; start += MAX_RUNS_PER_NOTIFICATION) {
      const batch = runIds.slice(start, start + MAX_RUNS_PER_NOTIFICATION)
      await this.notifications.notify(CHANNEL, `${batch.join()} ${this.origin}`, tx)
    }
  }

  private tell(runId: string, events: readonly RunEvent[] | null, ending?: RunEnding): void {
    for (const listener of this.listeners.get(runId) ?? []) {
      try {
        listener(events, ending)
      } catch (error) {
        // A follower's trouble is not the run's, nor that of the followers after him.
        this.logger.error({ err: error, event: 'run_feed_listener_failed', runId }, 'run_feed_listener_failed')
      }
    }
  }
}
