import { type BeforeApplicationShutdown, Injectable, type OnModuleInit } from '@nestjs/common'
import { Notifications } from '#platform/database/notifications.js'
import type { Tx } from '#platform/database/tx.js'
import { RunWatch } from './run-watch.js'

const CHANNEL = 'runs_finished'

/** Requests that wait for a run to end, on this replica, whichever replica ends it. */
@Injectable()
export class RunWaiters implements OnModuleInit, BeforeApplicationShutdown {
  private readonly watches = new Map<string, Set<RunWatch>>()
  private closed = false

  constructor(private readonly notifications: Notifications) {}

  async onModuleInit(): Promise<void> {
    await this.notifications.listen(CHANNEL, (runId) => (runId === null ? this.wakeAll() : this.wake(runId)))
  }

  /** After the worker, which stands on this: runs that were about to end have. Nobody may wait for longer. */
  beforeApplicationShutdown(): void {
    this.closed = true
    for (const group of this.watches.values()) for (const watch of group) watch.end()
  }

  /** Tells all replicas, when `tx` commits, that the run has ended. */
  async announce(runId: string, tx: Tx): Promise<void> {
    tx.afterCommit(() => this.wake(runId))
    await this.notifications.notify(CHANNEL, runId, tx)
  }

  /**
   * Begins to listen for a run's end. Start before the run is committed: nothing that happens is then missed.
   * Dispose when done.
   */
  watch(runId: string, timeoutMs: number): RunWatch {
    const group = this.watches.get(runId) ?? new Set()
    const watch = new RunWatch(this.closed ? 0 : timeoutMs, () => {
      group.delete(watch)
      if (group.size === 0 && this.watches.get(runId) === group) this.watches.delete(runId)
    })
    this.watches.set(runId, group.add(watch))
    return watch
  }

  private wake(runId: string): void {
    for (const watch of this.watches.get(runId) ?? []) watch.wake()
  }

  private wakeAll(): void {
    for (const runId of this.watches.keys()) this.wake(runId)
  }
}
