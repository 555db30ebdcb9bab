import { Injectable } from '@nestjs/common'
import { Approvals } from '#modules/approvals'
import type { Tx } from '#platform/database/tx.js'
import { EventBus } from '#platform/events/event-bus.js'
import { RunCancelled } from '../run.events.js'
import { RunFeed } from '../streaming/run-feed.service.js'
import { JournalRepository } from './journal.repository.js'
import { RunLeases } from './run-leases.service.js'
import { type StoppableRun, RunTreesRepository } from './run-trees.repository.js'

/**
 * Stops runs with all that they delegated. What nobody works on ends at once; who works on one is asked to stop, and ends it
 * himself, since he alone knows what it has used.
 */
@Injectable()
export class RunTrees {
  constructor(
    private readonly rows: RunTreesRepository,
    private readonly journal: JournalRepository,
    private readonly approvals: Approvals,
    private readonly leases: RunLeases,
    private readonly events: EventBus,
    private readonly feed: RunFeed,
  ) {}

  /** @returns false when the run had ended already */
  async cancel(run: { tenantId: string; runId: string }, now: Date, tx: Tx): Promise<boolean> {
    // Ancestors before their children: everybody locks in this order.
    await this.journal.lockAncestors(run, tx)
    const stopped = await this.stopTree(run, () => true, now, tx)
    return stopped.some(({ runId }) => runId === run.runId)
  }

  /** For a run that has just ended, whose row is locked: what it had delegated is of no use to anybody. */
  async cancelDescendants(run: { tenantId: string; runId: string }, now: Date, tx: Tx): Promise<void> {
    await this.stopTree(run, (id) => id !== run.runId, now, tx)
  }

  /**
   * Whoever holds one of the runs may have delegated more, or asked a person, until its row was locked: looks again until
   * nothing is new, and withdraws what was asked last of all.
   */
  private async stopTree(
    { tenantId, runId }: { tenantId: string; runId: string },
    isMeant: (id: string) => boolean,
    now: Date,
    tx: Tx,
  ): Promise<readonly StoppableRun[]> {
    let ids: readonly string[] = []
    let unfinished: readonly StoppableRun[] = []
    for (let known = -1; known < ids.length;) {
      known = ids.length
      ids = (await this.rows.listIds(tenantId, runId, tx)).filter(isMeant)
      if (ids.length > known) unfinished = await this.rows.lockUnfinished(tenantId, ids, tx)
    }
    await this.stop(tenantId, unfinished, now, tx)
    await this.approvals.withdraw(ids, tx)
    return unfinished
  }

  private async stop(tenantId: string, runs: readonly StoppableRun[], now: Date, tx: Tx): Promise<void> {
    const held = runs.filter(({ isHeld }) => isHeld).map(({ runId }) => runId)
    const free = runs.filter(({ isHeld }) => !isHeld)
    if (held.length > 0) await this.rows.requestStop(tenantId, held, now, tx)
    for (const runId of held) await this.leases.askToStop(runId, tx)
    if (free.length === 0) return
    const freeIds = free.map(({ runId }) => runId)
    await this.rows.endNow(tenantId, freeIds, now, tx)
    for (const run of free) await this.events.emit(toEvent(tenantId, run, now), tx)
    await this.feed.announce(freeIds, tx)
    tx.afterCommit(() => freeIds.forEach((runId) => this.feed.lookAt(runId)))
  }
}

function toEvent(tenantId: string, run: StoppableRun, now: Date): RunCancelled {
  const { status: _status, isHeld: _isHeld, startedAt, ...facts } = run
  const durationMs = startedAt ? now.getTime() - startedAt.getTime() : 0
  return new RunCancelled(tenantId, { ...facts, durationMs })
}
