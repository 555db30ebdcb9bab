import {
  Inject,
  Injectable,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type OnModuleInit,
} from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { type Job, type JobResult, PgBoss } from 'pg-boss'
import { DATABASE_APP_URL } from '../database/database.js'
import type { Tx } from '../database/tx.js'
import { JOBS_SCHEMA } from './jobs-schema.js'

const POOL_SIZE = 3
const SUPERVISE_SECONDS = 2
/** Deferred jobs send no NOTIFY, so an idle worker looks this often. */
const BACKSTOP_POLL_SECONDS = 1
const RETENTION_SECONDS = 86_400
const DELETE_FINISHED_AFTER_SECONDS = 600
const HEARTBEAT_SECONDS = 10
const BATCH_RETRY_LIMIT = 2
const QUEUE_OPTIONS = {
  notify: true,
  heartbeatSeconds: HEARTBEAT_SECONDS,
  retentionSeconds: RETENTION_SECONDS,
  deleteAfterSeconds: DELETE_FINISHED_AFTER_SECONDS,
}

interface AnyWorker {
  readonly queue: string
  /** Most jobs taken at once. */
  readonly batchSize: number
}

/** Deals with a batch as a whole. */
export interface Worker<Data extends object> extends AnyWorker {
  /** Resolves when every job of the batch is dealt with; a rejection retries the batch. */
  readonly handle: (batch: readonly Data[]) => Promise<void>
}

/** Deals with each job of a batch by itself, all at once: one that fails is tried again alone. */
export interface EachWorker<Data extends object> extends AnyWorker {
  readonly retry: RetryPolicy
  /** A rejection retries the job. */
  readonly handleEach: (data: Data, attempt: JobAttempt) => Promise<void>
}

/** Tried `limit` times more, after waits that double from `delaySeconds` and are jittered. */
export interface RetryPolicy {
  readonly limit: number
  readonly delaySeconds: number
  readonly maxDelaySeconds: number
}

/** One attempt at a job. */
export interface JobAttempt {
  /** Whether a rejection would be the end of the job. */
  readonly isLast: boolean
  /** Aborts when the job is not ours any more. */
  readonly signal: AbortSignal
}

/** At most one job of a key in a slot of `seconds`. */
export interface Throttle {
  readonly key: string
  readonly seconds: number
}

/**
 * pg-boss as a bell. A job only wakes a worker: the truth of what is to be done is a row of ours with a lease, so a job
 * that runs twice, late or never harms nothing.
 */
@Injectable()
export class JobQueue implements OnModuleInit, OnApplicationBootstrap, OnApplicationShutdown {
  private readonly boss: PgBoss
  private readonly workers: (Worker<object> | EachWorker<object>)[] = []

  constructor(
    @Inject(DATABASE_APP_URL) url: string,
    private readonly logger: PinoLogger,
  ) {
    logger.setContext(JobQueue.name)
    this.boss = new PgBoss({
      connectionString: url,
      schema: JOBS_SCHEMA,
      application_name: 'temponest-jobs',
      max: POOL_SIZE,
      // The migrator installs the schema as its owner; this role only uses it.
      migrate: false,
      createSchema: false,
      schedule: false,
      reindex: false,
      useListenNotify: true,
      superviseIntervalSeconds: SUPERVISE_SECONDS,
      monitorIntervalSeconds: SUPERVISE_SECONDS,
      queueCacheIntervalSeconds: 1,
    })
    this.boss.on('error', (error) => this.logger.warn({ err: error, event: 'job_queue_error' }, 'job_queue_error'))
  }

  /** Registers a worker; before the app is up. */
  register<Data extends object>(worker: Worker<Data> | EachWorker<Data>): void {
    this.workers.push(worker as Worker<object> | EachWorker<object>)
  }

  async onModuleInit(): Promise<void> {
    await this.boss.start()
  }

  async onApplicationBootstrap(): Promise<void> {
    for (const worker of this.workers) await this.start(worker)
  }

  /** Adds a wake-up inside the caller's transaction: it exists when that commits, and not before. */
  async send(queue: string, data: object, tx: Tx): Promise<void> {
    await this.boss.send(queue, data, { db: inTransaction(tx) })
  }

  /** The same, unless there was a job of that key a moment ago: then it is dropped without a word. */
  async sendThrottled(queue: string, data: object, { key, seconds }: Throttle, tx: Tx): Promise<void> {
    await this.boss.send(queue, data, {
      db: inTransaction(tx),
      singletonKey: key,
      singletonSeconds: seconds,
      // A finished job is what the next one is compared with.
      deleteAfterSeconds: Math.max(seconds, DELETE_FINISHED_AFTER_SECONDS),
    })
  }

  /** Takes no more jobs, and waits for the handlers that are at it; jobs can still be sent. */
  async stopWorkers(): Promise<void> {
    await Promise.all(this.workers.map(({ queue }) => this.boss.offWork(queue, { wait: true })))
  }

  async onApplicationShutdown(): Promise<void> {
    await this.boss.stop({ graceful: false, close: true })
  }

  private async start(worker: Worker<object> | EachWorker<object>): Promise<void> {
    const { queue, batchSize } = worker
    const retry = 'retry' in worker ? toQueueOptions(worker.retry) : { retryLimit: BATCH_RETRY_LIMIT }
    const options = { ...QUEUE_OPTIONS, ...retry }
    await this.boss.createQueue(queue, options)
    // A queue that an earlier version made keeps that version's options otherwise.
    await this.boss.updateQueue(queue, options)
    const polling = {
      batchSize,
      burstWhenBatchFull: batchSize > 1,
      pollingIntervalSeconds: BACKSTOP_POLL_SECONDS,
      notifyPollingIntervalSeconds: BACKSTOP_POLL_SECONDS,
    }
    await this.boss.work(queue, { ...polling, perJobResults: true }, (jobs: Job[]) =>
      'handle' in worker ? this.settleBatch(jobs, worker) : Promise.all(jobs.map((job) => this.settle(job, worker))),
    )
  }

  private async settleBatch(jobs: readonly Job[], { queue, handle }: Worker<object>): Promise<JobResult[]> {
    try {
      await handle(jobs.map(({ data }) => data))
      return jobs.map(({ id }) => ({ id, status: 'completed' }))
    } catch (error) {
      for (const job of jobs) this.tellFailure(error, { queue, job, isLast: job.retryCount >= BATCH_RETRY_LIMIT })
      return jobs.map(({ id }) => ({ id, status: 'failed' }))
    }
  }

  private async settle(job: Job, worker: EachWorker<object>): Promise<JobResult> {
    const { id, data, retryCount, signal } = job
    const isLast = retryCount >= worker.retry.limit
    try {
      await worker.handleEach(data, { isLast, signal })
      return { id, status: 'completed' }
    } catch (error) {
      this.tellFailure(error, { queue: worker.queue, job, isLast })
      return { id, status: 'failed' }
    }
  }

  /** What went wrong is for the log alone: the queue's tables would keep an error that quotes the job. */
  private tellFailure(error: unknown, { queue, job, isLast }: { queue: string; job: Job; isLast: boolean }): void {
    const fields = { err: error, event: 'job_failed', queue, jobId: job.id, attempt: job.retryCount + 1, isLast }
    if (isLast) this.logger.error(fields, 'job_failed')
    else this.logger.warn(fields, 'job_failed')
  }
}

function toQueueOptions({ limit, delaySeconds, maxDelaySeconds }: RetryPolicy) {
  return { retryLimit: limit, retryDelay: delaySeconds, retryBackoff: true, retryDelayMax: maxDelaySeconds }
}

function inTransaction(tx: Tx) {
  return {
    executeSql: async (text: string, values?: unknown[]) => ({ rows: await tx.query({ text, values: values ?? [] }) }),
  }
}
