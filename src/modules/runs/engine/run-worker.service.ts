import { setTimeout as sleep } from 'node:timers/promises'
import { Injectable } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { AppError } from '#kernel/app-error.js'
import { isUnavailable } from '#platform/database/database-error.js'
import { RunFeed } from '../streaming/run-feed.service.js'
import type { ClaimedRun } from './claimed-run.js'
import type { Step } from './journal.js'
import { LeaseEnded, RunStopped } from './lease-ended.js'
import { RunExecutor } from './run-executor.service.js'
import { RunHandOver } from './run-hand-over.service.js'
import { type Lease, RunLeases } from './run-leases.service.js'
import { type Publish, RunSession } from './run-session.js'
import { RunSettler } from './run-settler.service.js'

/** A run to be worked on here, claimed already. */
export interface WorkItem {
  readonly run: ClaimedRun
  /** Its journal. */
  readonly steps: readonly Step[]
  /** Positions that were begun under this claim. */
  readonly begun: readonly number[]
  /** Output tokens of its first call that were paid for with its creation; absent: none were. */
  readonly admittedTokens?: number
}

/** Node's timers hold 2^31 − 1 ms at most. */
const MAX_TIMER_MS = 2 ** 31 - 1

const RETRY_MS = 100
const MAX_RETRY_MS = 2000

/** Brings a claimed run as far as it can be brought: to its end, or to where it waits; or hands it over. */
@Injectable()
export class RunWorker {
  constructor(
    private readonly leases: RunLeases,
    private readonly executor: RunExecutor,
    private readonly settler: RunSettler,
    private readonly handOver: RunHandOver,
    private readonly feed: RunFeed,
    private readonly logger: PinoLogger,
  ) {
    logger.setContext(RunWorker.name)
  }

  /** Never rejects: what goes wrong is the run's own failure, or for the next who takes it. */
  async work({ run, steps, begun, admittedTokens }: WorkItem): Promise<void> {
    const lease = this.leases.hold(run)
    const publish: Publish = (events, ending) => this.feed.publish(run.runId, events, ending)
    const session = new RunSession(run, steps, publish, begun, admittedTokens)
    try {
      await this.bringOn(lease, session)
    } catch (error) {
      await this.abandon(lease, session, error)
    } finally {
      this.leases.forget(lease)
    }
  }

  private async bringOn(lease: Lease, session: RunSession): Promise<void> {
    const overtime = new AbortController()
    const remainingMs = session.run.deadlineAt.getTime() - Date.now()
    // Not with the first timer: a run that waits for its children would be back at waiting by then.
    if (remainingMs <= 0) overtime.abort()
    const timer = setTimeout(() => overtime.abort(), Math.min(Math.max(0, remainingMs), MAX_TIMER_MS))
    const signal = AbortSignal.any([lease.signal, overtime.signal])
    try {
      await this.execute(lease, session, signal)
    } catch (error) {
      if (error instanceof LeaseEnded || lease.signal.reason instanceof LeaseEnded) throw error
      await this.end(lease, session, error, overtime.signal)
    } finally {
      clearTimeout(timer)
    }
  }

  /** Reads wait for a database that is away, as writes do: the journal says how far the run has come. */
  private async execute(lease: Lease, session: RunSession, signal: AbortSignal): Promise<void> {
    for (let delayMs = RETRY_MS; ; delayMs = Math.min(delayMs * 2, MAX_RETRY_MS)) {
      try {
        return await this.executor.execute(lease, session, signal)
      } catch (error) {
        if (!isUnavailable(error) || signal.aborted) throw error
        this.logger.warn({ err: error, event: 'run_retried', runId: session.run.runId }, 'run_retried')
        await sleep(delayMs, undefined, { signal })
      }
    }
  }

  private async end({ signal }: Lease, session: RunSession, error: unknown, overtime: AbortSignal): Promise<void> {
    try {
      if (signal.reason instanceof RunStopped) await this.settler.cancel(session, signal)
      else await this.settler.fail(session, this.toFailure(session, error, overtime), signal)
    } catch (thrown) {
      if (!isExhausted(error) || thrown instanceof LeaseEnded || signal.reason instanceof LeaseEnded) throw thrown
      this.logger.error({ err: thrown, event: 'run_given_up', runId: session.run.runId }, 'run_given_up')
      await this.settler.giveUp(session, error, signal)
    }
  }

  private toFailure({ run }: RunSession, error: unknown, overtime: AbortSignal): AppError {
    if (overtime.aborted) {
      return new AppError('run_timeout', 'upstream_failed', { detail: 'The run took longer than its time limit.' })
    }
    // What the database refuses is no word for a client.
    if (error instanceof AppError && error.kind !== 'internal') return error
    if (isExhausted(error)) return error
    this.logger.error({ err: error, event: 'run_crashed', runId: run.runId }, 'run_crashed')
    return new AppError('internal', 'internal', { detail: 'Something went wrong on our side.', cause: error })
  }

  /** Without an outcome: the lease ended, or the outcome could not be written. The row's lease decides what follows. */
  private async abandon(lease: Lease, session: RunSession, error: unknown): Promise<void> {
    const fields = { event: 'run_abandoned', runId: session.run.runId }
    const reason: unknown = error instanceof LeaseEnded ? error : lease.signal.reason
    if (!(reason instanceof LeaseEnded)) return this.logger.error({ err: error, ...fields }, 'run_abandoned')
    this.logger.info({ ...fields, reason: reason.reason }, 'run_abandoned')
    if (reason.reason === 'stopping') await this.handOver.handOver(session)
  }
}

function isExhausted(error: unknown): error is AppError {
  return error instanceof AppError && error.code === 'attempts_exhausted'
}
