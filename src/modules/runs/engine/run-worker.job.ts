import { setTimeout as sleep } from 'node:timers/promises'
import { type BeforeApplicationShutdown, Injectable, type OnModuleInit } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { AppError } from '#kernel/app-error.js'
import { AppConfig } from '#platform/config/app-config.js'
import { JobQueue } from '#platform/jobs/job-queue.js'
import type { ClaimedRun } from './engine.repository.js'
import { type Execution, RunExecutor } from './run-executor.service.js'
import { type Lease, LeaseEnded, RunLeases } from './run-leases.service.js'
import { RunSettler } from './run-settler.service.js'
import { RUNS_QUEUE, type RunWakeUp } from './run-wake-up.js'
import { Slots } from './slots.js'

const BATCH_SIZE = 16
/** At shutdown, runs that are about to end may; the rest is handed over, well within two seconds. */
const HANDOVER_AFTER_MS = 1000
const HANDOVER_LIMIT_MS = 3000
const POLL_MS = 20
const SETTLE_RETRY_MS = 100
const MAX_SETTLE_RETRY_MS = 2000
const MS_PER_SECOND = 1000

/** Works on runs, as many at once as the replica has slots for. */
@Injectable()
export class RunWorker implements OnModuleInit, BeforeApplicationShutdown {
  private readonly slots: Slots
  private stopping = false

  constructor(
    private readonly config: AppConfig,
    private readonly queue: JobQueue,
    private readonly leases: RunLeases,
    private readonly executor: RunExecutor,
    private readonly settler: RunSettler,
    private readonly logger: PinoLogger,
  ) {
    logger.setContext(RunWorker.name)
    this.slots = new Slots(config.settings.RUN_CONCURRENCY)
  }

  onModuleInit(): void {
    this.queue.register<RunWakeUp>({
      queue: RUNS_QUEUE,
      batchSize: BATCH_SIZE,
      handle: (batch) => this.takeAll(batch),
    })
  }

  /** Takes no more runs, lets those that are nearly done end, and hands the others over. */
  async beforeApplicationShutdown(): Promise<void> {
    this.stopping = true
    // First: a batch that waits for slots would be waited for in turn.
    this.slots.close()
    await this.queue.stopWorkers()
    await this.waitUntilIdle(HANDOVER_AFTER_MS)
    this.leases.endAll()
    await this.waitUntilIdle(HANDOVER_LIMIT_MS)
    this.leases.stop()
  }

  get freeSlots(): number {
    return this.stopping ? 0 : this.slots.free
  }

  /** A batch that comes too late fails, so that its wake-ups ring again elsewhere or after the restart. */
  private async takeAll(batch: readonly RunWakeUp[]): Promise<void> {
    const taken = await Promise.all(batch.map((wakeUp) => this.take(wakeUp)))
    if (taken.includes(false)) throw new Error('the replica is stopping')
  }

  /**
   * Waits for a slot and claims the run; resolves as soon as it is claimed, while the work goes on.
   * @returns false when the replica is stopping and did not look
   */
  async take(wakeUp: RunWakeUp): Promise<boolean> {
    if (!(await this.slots.take())) return false
    let lease: Lease | null = null
    try {
      lease = await this.leases.claim(wakeUp)
    } finally {
      if (lease) void this.work(lease).finally(() => this.slots.leave())
      else this.slots.leave()
    }
    return true
  }

  private async work(lease: Lease): Promise<void> {
    const { run } = lease
    try {
      const { RUN_MAX_ATTEMPTS } = this.config.settings
      if (run.attempt > RUN_MAX_ATTEMPTS) await this.settler.giveUp(run, RUN_MAX_ATTEMPTS)
      else await this.settle(lease, await this.execute(lease))
    } catch (error) {
      await this.abandon(lease, error)
    } finally {
      this.leases.forget(lease)
    }
  }

  /** An outcome has been paid for: it waits for a database that is away, for as long as the run is ours. */
  private async settle({ run, signal }: Lease, execution: Execution): Promise<void> {
    for (let delayMs = SETTLE_RETRY_MS; ; delayMs = Math.min(delayMs * 2, MAX_SETTLE_RETRY_MS)) {
      try {
        await this.settler.settle(run, execution)
        return
      } catch (error) {
        if (signal.aborted) throw signal.reason
        if (!(error instanceof AppError && error.kind === 'unavailable')) throw error
        this.logger.warn({ err: error, event: 'run_settle_retried', runId: run.runId }, 'run_settle_retried')
        await sleep(delayMs)
      }
    }
  }

  private async execute({ run, signal }: Lease): Promise<Execution> {
    const timeout = AbortSignal.timeout(this.remainingMs(run))
    try {
      return await this.executor.execute(run, AbortSignal.any([signal, timeout]))
    } catch (error) {
      if (error instanceof LeaseEnded) throw error
      if (timeout.aborted) return failed('run_timeout', 'The run took longer than its time limit.', error)
      this.logger.error({ err: error, event: 'run_crashed', runId: run.runId }, 'run_crashed')
      return failed('internal', 'Something went wrong on our side.', error)
    }
  }

  /** Without an outcome: the lease ended, or the outcome could not be written. The row's lease decides what follows. */
  private async abandon(lease: Lease, error: unknown): Promise<void> {
    const { runId } = lease.run
    const fields = { event: 'run_abandoned', runId }
    if (!(error instanceof LeaseEnded)) return this.logger.error({ err: error, ...fields }, 'run_abandoned')
    this.logger.info({ ...fields, reason: error.reason }, 'run_abandoned')
    if (error.reason !== 'stopping') return
    await this.leases.handBack(lease).catch((failure: unknown) => {
      this.logger.warn({ err: failure, event: 'run_hand_back_failed', runId }, 'run_hand_back_failed')
    })
  }

  private remainingMs({ startedAt, input }: ClaimedRun): number {
    const { RUN_TIMEOUT_SECONDS } = this.config.settings
    const limitMs = Math.min(input.limits?.timeoutSeconds ?? Infinity, RUN_TIMEOUT_SECONDS) * MS_PER_SECOND
    return Math.max(0, startedAt.getTime() + limitMs - Date.now())
  }

  private async waitUntilIdle(limitMs: number): Promise<void> {
    const deadline = Date.now() + limitMs
    while (this.slots.inUse > 0 && Date.now() < deadline) await sleep(POLL_MS)
  }
}

function failed(code: string, detail: string, cause: unknown): Execution {
  return { output: null, answer: null, error: new AppError(code, 'internal', { detail, cause }) }
}
