import { setTimeout as sleep } from 'node:timers/promises'
import { Injectable, type OnApplicationBootstrap, type OnModuleInit } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { LRU } from 'tiny-lru'
import { AppConfig } from '#platform/config/app-config.js'
import { Database } from '#platform/database/database.js'
import { Notifications } from '#platform/database/notifications.js'
import type { Tx } from '#platform/database/tx.js'
import type { ClaimedRun } from './claimed-run.js'
import { LeaseEnded, RunStopped } from './lease-ended.js'
import { QueueRepository } from './queue.repository.js'

/** Two renewals may fail before a lease is lost. */
const RENEWALS_PER_LEASE = 3
/** Rows that were locked are tried again, until half of the time to the next round is over. */
const LOCKED_RETRY_MS = 50
/** Far more than are asked to stop while a claim's answer is on its way. */
const MAX_REMEMBERED_STOPS = 1000
const STOP_CHANNEL = 'runs_stop'

/** A run that is ours for as long as `signal` is not aborted. */
export interface Lease {
  readonly run: ClaimedRun
  /** Aborts with {@link LeaseEnded} or {@link RunStopped}. */
  readonly signal: AbortSignal
}

interface HeldRun {
  readonly run: ClaimedRun
  readonly abort: AbortController
}

/** The runs that this replica holds: renews their leases, hears when one is to stop, lets go of them. */
@Injectable()
export class RunLeases implements OnModuleInit, OnApplicationBootstrap {
  private readonly held = new Map<string, HeldRun>()
  private readonly leaseMs: number
  private timer: NodeJS.Timeout | undefined
  private isEnding = false
  /** Since when, by tenant; on the clock of `performance`. */
  private readonly renewing = new Map<string, number>()
  /** Runs that were asked to stop lately: one of them may be taken, and not yet held here. */
  private readonly stopped = new LRU<true>(MAX_REMEMBERED_STOPS)

  constructor(
    config: AppConfig,
    private readonly database: Database,
    private readonly runs: QueueRepository,
    private readonly notifications: Notifications,
    private readonly logger: PinoLogger,
  ) {
    this.leaseMs = config.settings.RUN_LEASE_MS
    logger.setContext(RunLeases.name)
  }

  async onModuleInit(): Promise<void> {
    await this.notifications.listen(STOP_CHANNEL, (runId) => {
      // After a reconnect the next renewal tells.
      if (runId !== null) this.stop(runId)
    })
  }

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => this.renewAll(), this.intervalMs)
  }

  isHeld(runId: string): boolean {
    return this.held.has(runId)
  }

  hold(run: ClaimedRun): Lease {
    const abort = new AbortController()
    this.held.set(run.runId, { run, abort })
    if (this.isEnding) abort.abort(new LeaseEnded('stopping'))
    else if (run.isCancelled || this.stopped.has(run.runId)) abort.abort(new RunStopped())
    return { run, signal: abort.signal }
  }

  /** Somebody else has it. */
  lose({ run }: Lease): void {
    const held = this.held.get(run.runId)
    if (held?.run === run) held.abort.abort(new LeaseEnded('lost'))
  }

  /** The run is settled, waits, or is not ours any more. */
  forget({ run }: Lease): void {
    if (this.held.get(run.runId)?.run === run) this.held.delete(run.runId)
  }

  /** Asks whoever holds the run, on any replica, to stop working on it, when `tx` commits. */
  async askToStop(runId: string, tx: Tx): Promise<void> {
    tx.afterCommit(() => this.stop(runId))
    await this.notifications.notify(STOP_CHANNEL, runId, tx)
  }

  /** Ends the work on every run that is still held. Renewals go on until the app ends: handing back takes a moment. */
  endAll(): void {
    this.isEnding = true
    for (const { abort } of this.held.values()) abort.abort(new LeaseEnded('stopping'))
  }

  close(): void {
    clearInterval(this.timer)
  }

  private stop(runId: string): void {
    this.stopped.set(runId, true)
    this.held.get(runId)?.abort.abort(new RunStopped())
  }

  private get intervalMs(): number {
    return this.leaseMs / RENEWALS_PER_LEASE
  }

  /** Each tenant by itself. A slow renewal is joined by a second one when half a lease is over: its answer may never come. */
  private renewAll(): void {
    for (const tenantId of new Set(Array.from(this.held.values(), ({ run }) => run.tenantId))) {
      const now = performance.now()
      const since = this.renewing.get(tenantId)
      if (since !== undefined && now - since < this.leaseMs / 2) continue
      this.renewing.set(tenantId, now)
      void this.renew(tenantId).finally(() => {
        if (this.renewing.get(tenantId) === now) this.renewing.delete(tenantId)
      })
    }
  }

  /** What is locked is being written, as a rule, and free again in a moment. */
  private async renew(tenantId: string): Promise<void> {
    const until = performance.now() + this.intervalMs / 2
    try {
      let left = [...this.held.values()].filter(({ run }) => run.tenantId === tenantId)
      while (left.length > 0) {
        left = await this.renewFree(tenantId, left)
        if (left.length === 0 || performance.now() > until) return
        await sleep(LOCKED_RETRY_MS)
        left = left.filter((held) => this.held.get(held.run.runId) === held)
      }
    } catch (error) {
      // The database may be back before the lease ends; if not, another replica takes the run and ours settles nothing.
      this.logger.warn({ err: error, event: 'lease_renewal_failed', tenantId }, 'lease_renewal_failed')
    }
  }

  /** @returns those whose rows were locked */
  private async renewFree(tenantId: string, held: readonly HeldRun[]): Promise<HeldRun[]> {
    const claims = held.map(({ run }) => run)
    const ours = await this.database.workers.transaction({ tenantId }, (tx) =>
      this.runs.extendLeases(claims, this.leaseMs, tx),
    )
    return held.filter((one) => {
      const { run, abort } = one
      if (this.held.get(run.runId) !== one) return false
      const lease = ours.get(run.runId)
      if (!lease) abort.abort(new LeaseEnded('lost'))
      else if (lease.isCancelled) abort.abort(new RunStopped())
      return lease !== undefined && !lease.isRenewed
    })
  }
}
