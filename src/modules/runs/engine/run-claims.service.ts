import { Injectable } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { Clock } from '#kernel/clock.js'
import { AppConfig } from '#platform/config/app-config.js'
import { Database } from '#platform/database/database.js'
import { EventBus } from '#platform/events/event-bus.js'
import { RunStarted } from '../run.events.js'
import { JournalRepository } from './journal.repository.js'
import { type QueuedRun, QueueRepository } from './queue.repository.js'
import { RunBell } from './run-bell.service.js'
import { RunLeases } from './run-leases.service.js'
import type { RunSlots } from './run-slots.js'
import type { WorkItem } from './run-worker.service.js'

/** Tenants that are looked at in one round; the next round goes on where this one stopped. */
const MAX_TENANTS = 200
const MAX_OVERDUE = 50
/** As many as a replica that is killed may have had in flight. */
const MAX_LOST = 1000
const BEFORE_ALL = '00000000-0000-0000-0000-000000000000'
const BEFORE_ALL_RUNS: QueuedRun = { tenantId: BEFORE_ALL, runId: BEFORE_ALL }

interface ClaimRequest {
  readonly limit: number
  readonly slots: RunSlots
  /** Called for each run as soon as it is taken. */
  readonly start: (item: WorkItem) => void
}

/** Takes runs for this replica, each into a slot, with its journal; and queues those that nobody else would queue. */
@Injectable()
export class RunClaims {
  private readonly leaseMs: number
  private readonly timeoutSeconds: number
  private lastTenant = BEFORE_ALL
  private lastOverdue = BEFORE_ALL_RUNS

  constructor(
    config: AppConfig,
    private readonly database: Database,
    private readonly queue: QueueRepository,
    private readonly journal: JournalRepository,
    private readonly leases: RunLeases,
    private readonly bell: RunBell,
    private readonly events: EventBus,
    private readonly clock: Clock,
    private readonly logger: PinoLogger,
  ) {
    logger.setContext(RunClaims.name)
    this.leaseMs = config.settings.RUN_LEASE_MS
    this.timeoutSeconds = config.settings.RUN_TIMEOUT_SECONDS
  }

  /** Starts what is next in the queue. `isAll`: nothing that could be taken is left there. */
  async startNext(request: ClaimRequest): Promise<{ started: number; isAll: boolean }> {
    const { limit, slots } = request
    const { loads, tenantSize } = slots
    const wasFirst = this.lastTenant === BEFORE_ALL
    const look = { limit, loads, tenantLimit: tenantSize, tenants: MAX_TENANTS, after: this.lastTenant }
    const { runs, upTo } = await this.queue.listNext(look)
    this.lastTenant = upTo ?? BEFORE_ALL
    if (runs.length === 0 && upTo === null && !wasFirst) return this.startNext(request)
    // Taken for lost while the database was away: the renewal revives it, the work on it goes on.
    const free = runs.filter(({ runId }) => !this.leases.isHeld(runId))
    const { started, hasFailed } = await this.take(free, request)
    return { started, isAll: runs.length < limit && upTo === null && wasFirst && !hasFailed }
  }

  /** Puts runs whose worker has gone silent into the queue, where they have their turn on whichever replica. */
  async queueLost(): Promise<void> {
    const lost = (await this.queue.listLost(MAX_LOST)).filter(({ runId }) => !this.leases.isHeld(runId))
    for (const [tenantId, runs] of Map.groupBy(lost, (run) => run.tenantId)) {
      const runIds = runs.map(({ runId }) => runId)
      await this.database.workers.transaction({ tenantId }, async (tx) => {
        if (await this.queue.queueLost(tenantId, runIds, tx)) await this.bell.ring(tx)
      })
    }
  }

  /** Puts runs that wait for their children for too long back into the queue, to be ended. */
  async queueOverdue(): Promise<void> {
    const overdue = await this.queue.listOverdue(MAX_OVERDUE, this.lastOverdue)
    this.lastOverdue = (overdue.length === MAX_OVERDUE && overdue.at(-1)) || BEFORE_ALL_RUNS
    for (const run of overdue) {
      await this.database.workers.transaction({ tenantId: run.tenantId }, async (tx) => {
        if (await this.queue.queueOverdue(run, tx)) await this.bell.ring(tx)
      })
    }
  }

  /** Each tenant by itself: what fails for one, or takes long, is nothing to the others. */
  private async take(
    queued: readonly QueuedRun[],
    { slots, start }: ClaimRequest,
  ): Promise<{ started: number; hasFailed: boolean }> {
    const seated = queued.filter(({ tenantId }) => slots.take(tenantId))
    const byTenant = Map.groupBy(seated, ({ tenantId }) => tenantId)
    let started = 0
    let hasFailed = false
    const claims = [...byTenant].map(async ([tenantId, runs]) => {
      const runIds = runs.map(({ runId }) => runId)
      try {
        const items = await this.claim(tenantId, runIds, slots)
        items.forEach(start)
        started += items.length
      } catch (error) {
        hasFailed = true
        this.logger.warn({ err: error, event: 'run_claim_failed', tenantId }, 'run_claim_failed')
      }
    })
    await Promise.all(claims)
    return { started, hasFailed }
  }

  /** Slots of runs that somebody else has taken meanwhile are free again. */
  private async claim(tenantId: string, runIds: readonly string[], slots: RunSlots): Promise<WorkItem[]> {
    const { leaseMs, timeoutSeconds } = this
    let items: WorkItem[] = []
    try {
      items = await this.database.workers.transaction({ tenantId }, async (tx) => {
        const [runs, steps] = await Promise.all([
          this.queue.claim({ tenantId, runIds, leaseMs, timeoutSeconds, now: this.clock.now() }, tx),
          // Behind the claim, which locks the rows: nobody else writes steps from then on.
          this.journal.listSteps(tenantId, runIds, tx),
        ])
        for (const run of runs) if (run.isStart) await this.events.emit(new RunStarted(tenantId, run), tx)
        return runs.map((run) => ({ run, steps: steps.get(run.runId) ?? [], begun: [] }))
      })
      return items
    } finally {
      for (let free = runIds.length - items.length; free > 0; free--) slots.leave(tenantId)
    }
  }
}
