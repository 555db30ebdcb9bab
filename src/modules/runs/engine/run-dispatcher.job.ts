import { setTimeout as sleep } from 'node:timers/promises'
import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { AppConfig } from '#platform/config/app-config.js'
import { RunBell } from './run-bell.service.js'
import { RunClaims } from './run-claims.service.js'
import { RunLeases } from './run-leases.service.js'
import { RunSlots } from './run-slots.js'
import { RunWorker, type WorkItem } from './run-worker.service.js'

/** Most runs that are taken from the queue in one round. */
const MAX_BATCH = 64
/** Whatever became of the bell, and of those who should have rung it. */
const SWEEP_INTERVAL_MS = 2000
/** At shutdown, runs that are about to end may; the rest is handed over, well within two seconds. */
const HANDOVER_AFTER_MS = 1000
const HANDOVER_LIMIT_MS = 3000
const POLL_MS = 20

/**
 * Keeps this replica's slots filled: from the queue, in fair turns between tenants, whenever the bell rings, a slot becomes free,
 * or two seconds have passed. Runs that were lost, on whichever replica, are put into the queue.
 */
@Injectable()
export class RunDispatcher implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly slots: RunSlots
  private timer: NodeJS.Timeout | undefined
  private isDispatching = false
  private isSweeping = false
  private hasRung = false
  /** There was more in the queue than slots, when it was last looked at. */
  private hasBacklog = false
  /** Tenants that had no slot left when the queue was last looked at, or since: runs of theirs may be in it. */
  private waitingTenants: ReadonlySet<string> = new Set()

  constructor(
    config: AppConfig,
    private readonly claims: RunClaims,
    private readonly worker: RunWorker,
    private readonly leases: RunLeases,
    private readonly bell: RunBell,
    private readonly logger: PinoLogger,
  ) {
    const { RUN_CONCURRENCY, RUN_TENANT_CONCURRENCY } = config.settings
    this.slots = new RunSlots(RUN_CONCURRENCY, Math.min(RUN_CONCURRENCY, RUN_TENANT_CONCURRENCY))
    logger.setContext(RunDispatcher.name)
  }

  onApplicationBootstrap(): void {
    this.bell.listen(() => this.dispatch())
    this.timer = setInterval(() => void this.sweep(), SWEEP_INTERVAL_MS)
    void this.sweep()
  }

  /** Takes no more runs, lets those that are nearly done end, and hands the others over. */
  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.timer)
    this.slots.close()
    await this.waitUntilIdle(HANDOVER_AFTER_MS)
    this.leases.endAll()
    await this.waitUntilIdle(HANDOVER_LIMIT_MS)
    this.leases.close()
  }

  /**
   * A slot for a run that is about to be created, so that it need not go through the queue; false when there is none, or when
   * others wait already: a new run must not get ahead of its own tenant's. Whoever has got one gives it to {@link start} or
   * back to {@link release}.
   */
  reserve(tenantId: string): boolean {
    if (this.hasBacklog || this.waitingTenants.has(tenantId)) return false
    if (this.slots.take(tenantId)) return true
    this.waitingTenants = new Set(this.waitingTenants).add(tenantId)
    return false
  }

  release(tenantId: string): void {
    const couldNotTakeMore = this.hasBacklog || this.waitingTenants.has(tenantId)
    this.slots.leave(tenantId)
    if (couldNotTakeMore) this.dispatch()
  }

  /** Works on a run whose slot is taken. */
  start(item: WorkItem): void {
    void this.worker.work(item).finally(() => this.release(item.run.tenantId))
  }

  private dispatch(): void {
    this.hasRung = true
    if (this.isDispatching) return
    this.isDispatching = true
    void this.fillSlots().finally(() => {
      this.isDispatching = false
      // Rung between the last look and now.
      if (this.hasRung && this.slots.free > 0) this.dispatch()
    })
  }

  private async fillSlots(): Promise<void> {
    try {
      while (this.hasRung && this.slots.free > 0) {
        this.hasRung = false
        const limit = Math.min(MAX_BATCH, this.slots.free)
        const { started, isAll } = await this.claims.startNext({
          limit,
          slots: this.slots,
          start: (item) => this.start(item),
        })
        this.hasBacklog = !isAll
        // Slots that became free during this look are not filled yet: the next one tells who still waits.
        if (isAll && !this.hasRung) this.waitingTenants = new Set(this.slots.fullTenants)
        if (!isAll && started > 0) this.hasRung = true
      }
      if (this.hasRung) this.hasBacklog = true
    } catch (error) {
      this.logger.warn({ err: error, event: 'run_dispatch_failed' }, 'run_dispatch_failed')
    }
  }

  /** Also while there is no slot free: whoever is put into the queue has his turn there, on any replica. */
  private async sweep(): Promise<void> {
    this.dispatch()
    if (this.isSweeping) return
    this.isSweeping = true
    try {
      await this.claims.queueLost()
      await this.claims.queueOverdue()
    } catch (error) {
      this.logger.warn({ err: error, event: 'run_sweep_failed' }, 'run_sweep_failed')
    } finally {
      this.isSweeping = false
    }
  }

  private async waitUntilIdle(limitMs: number): Promise<void> {
    const deadline = Date.now() + limitMs
    while (this.slots.inUse > 0 && Date.now() < deadline) await sleep(POLL_MS)
  }
}
