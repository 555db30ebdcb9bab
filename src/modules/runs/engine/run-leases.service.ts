import { Injectable, type OnApplicationBootstrap } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { Clock } from '#kernel/clock.js'
import { AppConfig } from '#platform/config/app-config.js'
import { Database } from '#platform/database/database.js'
import { JobQueue } from '#platform/jobs/job-queue.js'
import { type ClaimedRun, EngineRepository } from './engine.repository.js'
import { RUNS_QUEUE, type RunWakeUp } from './run-wake-up.js'

/** Two renewals may fail before a lease is lost. */
const RENEWALS_PER_LEASE = 3

/** Why work on a run stops without an outcome; the run itself goes on elsewhere or later. */
export class LeaseEnded extends Error {
  override readonly name = 'LeaseEnded'

  constructor(readonly reason: 'lost' | 'stopping') {
    super(`lease ${reason}`)
  }
}

/** A run that is ours for as long as `signal` is not aborted. */
export interface Lease {
  readonly run: ClaimedRun
  readonly signal: AbortSignal
}

/** The runs that this replica holds: claims them, renews their leases, gives them back. */
@Injectable()
export class RunLeases implements OnApplicationBootstrap {
  private readonly held = new Map<string, { run: ClaimedRun; abort: AbortController }>()
  private readonly leaseMs: number
  private timer: NodeJS.Timeout | undefined
  private isEnding = false
  private isRenewing = false

  constructor(
    config: AppConfig,
    private readonly database: Database,
    private readonly runs: EngineRepository,
    private readonly queue: JobQueue,
    private readonly clock: Clock,
    private readonly logger: PinoLogger,
  ) {
    this.leaseMs = config.settings.RUN_LEASE_MS
    logger.setContext(RunLeases.name)
  }

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.renewAll(), this.leaseMs / RENEWALS_PER_LEASE)
  }

  /** Null when the run is not to be had. */
  async claim({ tenantId, runId }: RunWakeUp): Promise<Lease | null> {
    // Its lease may have run out while the database was away: the renewal revives it, the work on it goes on.
    if (this.held.has(runId)) return null
    const claim = { tenantId, runId, leaseMs: this.leaseMs, now: this.clock.now() }
    const run = await this.database.workers.transaction({ tenantId }, (tx) => this.runs.claim(claim, tx))
    if (!run) return null
    const abort = new AbortController()
    this.held.set(runId, { run, abort })
    if (this.isEnding) abort.abort(new LeaseEnded('stopping'))
    return { run, signal: abort.signal }
  }

  /** The run is settled or not ours any more. */
  forget({ run }: Lease): void {
    if (this.held.get(run.runId)?.run === run) this.held.delete(run.runId)
  }

  /** Puts the run back for any replica to take, without counting the attempt. */
  async handBack({ run }: Lease): Promise<void> {
    const { tenantId, runId } = run
    await this.database.workers.transaction({ tenantId }, async (tx) => {
      await this.runs.release(run, tx)
      await this.queue.send(RUNS_QUEUE, { tenantId, runId } satisfies RunWakeUp, tx)
    })
  }

  /** Stops the work on every run that is still held. Renewals go on until the app ends: handing back takes a moment. */
  endAll(): void {
    this.isEnding = true
    for (const { abort } of this.held.values()) abort.abort(new LeaseEnded('stopping'))
  }

  stop(): void {
    clearInterval(this.timer)
  }

  /** A renewal that is slow is not joined by a second one. */
  private async renewAll(): Promise<void> {
    if (this.isRenewing) return
    this.isRenewing = true
    await this.renewHeld()
    this.isRenewing = false
  }

  private async renewHeld(): Promise<void> {
    const byTenant = Map.groupBy(this.held.values(), ({ run }) => run.tenantId)
    for (const [tenantId, held] of byTenant) {
      try {
        const claims = held.map(({ run }) => run)
        const ours = await this.database.workers.transaction({ tenantId }, (tx) =>
          this.runs.extendLeases(claims, this.leaseMs, tx),
        )
        for (const { run, abort } of held) {
          const isStillHeld = this.held.get(run.runId)?.run === run
          if (isStillHeld && !ours.has(run.runId)) abort.abort(new LeaseEnded('lost'))
        }
      } catch (error) {
        // The database may be back before the lease ends; if not, another replica takes the run and ours settles nothing.
        this.logger.warn({ err: error, event: 'lease_renewal_failed', tenantId }, 'lease_renewal_failed')
      }
    }
  }
}
