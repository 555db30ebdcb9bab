import { setTimeout as sleep } from 'node:timers/promises'
import { type BeforeApplicationShutdown, Injectable, type OnModuleInit } from '@nestjs/common'
import { Notifications } from '#platform/database/notifications.js'
import type { Tx } from '#platform/database/tx.js'
import { HANDOVER_AFTER_MS } from './run-handover.js'
import { RunWatch } from './run-watch.js'

const CHANNEL = 'runs_finished'
const POLL_MS = 20

/** Requests that wait for a run to end, on this replica, whichever replica ends it. */
@Injectable()
export class RunWaiters implements OnModuleInit, BeforeApplicationShutdown {
  private readonly watches = new Map<string, Set<RunWatch>>()
  private closed = false

  constructor(private readonly notifications: Notifications) {}

  async onModuleInit(): Promise<void> {
    await this.notifications.listen(CHANNEL, (runId) => (runId === null ? this.wakeAll() : this.wake(runId)))
  }

  /** Runs that are about to end may, as the worker has it; then nobody may wait for longer. */
  async beforeApplicationShutdown(): Promise<void> {
    this.closed = true
    const deadline = Date.now() + HANDOVER_AFTER_MS
    while (this.watches.size > 0 && Date.now() < deadline) await sleep(POLL_MS)
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
