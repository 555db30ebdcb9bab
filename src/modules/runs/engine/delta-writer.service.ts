import { setTimeout as sleep } from 'node:timers/promises'
import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { Clock } from '#kernel/clock.js'
import { Database } from '#platform/database/database.js'
import { isUnavailable } from '#platform/database/database-error.js'
import { RunFeed } from '../streaming/run-feed.service.js'
import { type EventRow, JournalRepository } from './journal.repository.js'
import type { RunSession } from './run-session.js'

/** Texts wait for no longer than this, with the time that a write takes within 250 ms. */
const INTERVAL_MS = 150

interface Batch {
  readonly session: RunSession
  readonly rows: readonly EventRow[]
}

/**
 * Stores what models say while they say it. Texts of all runs of a tenant go in one statement a moment: a thousand streams cost
 * a few writes a second, not thousands.
 */
@Injectable()
export class DeltaWriter implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly speaking = new Map<RunSession, () => void>()
  private timer: NodeJS.Timeout | undefined
  private isUrged = false
  private isOver = false

  constructor(
    private readonly database: Database,
    private readonly journal: JournalRepository,
    private readonly feed: RunFeed,
    private readonly clock: Clock,
    private readonly logger: PinoLogger,
  ) {
    logger.setContext(DeltaWriter.name)
  }

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => this.writeAll(), INTERVAL_MS)
  }

  beforeApplicationShutdown(): void {
    clearInterval(this.timer)
    this.isOver = true
  }

  /** Looks after a session's texts for as long as a model speaks. `onLost`: the run is somebody else's by now. */
  follow(session: RunSession, onLost: () => void): Disposable {
    this.speaking.set(session, onLost)
    return { [Symbol.dispose]: () => void this.speaking.delete(session) }
  }

  /** There is much to store: does not wait for the next round. */
  urge(): void {
    if (this.isUrged) return
    this.isUrged = true
    setImmediate(() => {
      this.isUrged = false
      this.writeAll()
    })
  }

  private writeAll(): void {
    const due = [...this.speaking.keys()].filter((session) => session.hasTexts && session.isIdle)
    const byTenant = Map.groupBy(due, ({ run }) => run.tenantId)
    for (const [tenantId, sessions] of byTenant) void this.writeTogether(tenantId, sessions)
  }

  /** Each of the sessions is held up until the statement that they share is done. */
  private async writeTogether(tenantId: string, sessions: readonly RunSession[]): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    for (const session of sessions) void session.exclusively(() => promise)
    const now = this.clock.now()
    const batches = sessions.map((session): Batch => ({ session, rows: session.takeRows(session.storedEvent) }))
    try {
      const stored = await this.store(tenantId, batches)
      for (const { session, rows } of batches) {
        if (stored.has(session.run.runId)) session.stored(rows.at(-1)?.sequence ?? session.storedEvent, now)
        else this.speaking.get(session)?.()
      }
    } catch (error) {
      this.logger.warn({ err: error, event: 'texts_not_stored', tenantId }, 'texts_not_stored')
      await Promise.all(batches.map((batch) => this.recover(batch, error, now)))
    } finally {
      resolve()
    }
  }

  /** They may be stored all the same, if only the answer was lost: written again they would match nothing, as if the run were lost. */
  private async recover({ session, rows }: Batch, failure: unknown, now: Date): Promise<void> {
    const latest = rows.at(-1)?.sequence ?? session.storedEvent
    let error = failure
    while (isUnavailable(error) && !this.isOver) {
      try {
        if (!(await this.journal.findAdvanced(session.run, latest))) break
        return session.stored(latest, now)
      } catch (thrown) {
        error = thrown
        await sleep(INTERVAL_MS)
      }
    }
    session.putBack(rows)
  }

  private async store(tenantId: string, batches: readonly Batch[]): Promise<Set<string>> {
    const entries = batches.map(({ session, rows }) => ({ claim: session.run, from: session.storedEvent, rows }))
    return this.database.workers.transaction({ tenantId }, async (tx) => {
      const [stored] = await Promise.all([
        this.journal.addTexts(tenantId, entries, tx),
        this.feed.announce(
          batches.map(({ session }) => session.run.runId),
          tx,
        ),
      ])
      return stored
    })
  }
}
