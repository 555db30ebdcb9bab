import {
  Inject,
  Injectable,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type OnModuleInit,
} from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { PgBoss } from 'pg-boss'
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
const QUEUE_OPTIONS = {
  notify: true,
  heartbeatSeconds: HEARTBEAT_SECONDS,
  retentionSeconds: RETENTION_SECONDS,
  deleteAfterSeconds: DELETE_FINISHED_AFTER_SECONDS,
}

export interface Worker<Data extends object> {
  readonly queue: string
  /** Most jobs taken at once. */
  readonly batchSize: number
  /** Resolves when every job of the batch is dealt with; a rejection retries the batch. */
  readonly handle: (batch: readonly Data[]) => Promise<void>
}

/**
 * pg-boss as a bell. A job only wakes a worker: the truth of what is to be done is a row of ours with a lease, so a job
 * that runs twice, late or never harms nothing.
 */
@Injectable()
export class JobQueue implements OnModuleInit, OnApplicationBootstrap, OnApplicationShutdown {
  private readonly boss: PgBoss
  private readonly workers: Worker<object>[] = []

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
  register<Data extends object>(worker: Worker<Data>): void {
    this.workers.push(worker as Worker<object>)
  }

  async onModuleInit(): Promise<void> {
    await this.boss.start()
  }

  async onApplicationBootstrap(): Promise<void> {
    for (const worker of this.workers) await this.start(worker)
  }

  /** Adds a wake-up inside the caller's transaction: it exists when that commits, and not before. */
  async send(queue: string, data: object, tx: Tx): Promise<void> {
    await this.boss.send(queue, data, {
      db: { executeSql: async (text, values) => ({ rows: await tx.query({ text, values: values ?? [] }) }) },
    })
  }

  /** Takes no more jobs, and waits for the handlers that are at it; jobs can still be sent. */
  async stopWorkers(): Promise<void> {
    await Promise.all(this.workers.map(({ queue }) => this.boss.offWork(queue, { wait: true })))
  }

  async onApplicationShutdown(): Promise<void> {
    await this.boss.stop({ graceful: false, close: true })
  }

  private async start({ queue, batchSize, handle }: Worker<object>): Promise<void> {
    await this.boss.createQueue(queue, QUEUE_OPTIONS)
    // A queue that an earlier version made keeps that version's options otherwise.
    await this.boss.updateQueue(queue, QUEUE_OPTIONS)
    await this.boss.work<object>(
      queue,
      {
        batchSize,
        burstWhenBatchFull: batchSize > 1,
        pollingIntervalSeconds: BACKSTOP_POLL_SECONDS,
        notifyPollingIntervalSeconds: BACKSTOP_POLL_SECONDS,
      },
      (jobs) => handle(jobs.map((job) => job.data)),
    )
  }
}
