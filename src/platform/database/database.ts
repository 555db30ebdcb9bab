import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common'
import { AppConfig } from '../config/app-config.js'
import { ConnectionPool } from './connection-pool.js'
import { DatabaseMonitor } from './monitor/database-monitor.js'
import type { Scope } from './scope.js'
import { throughPooler } from './pooler-url.js'
import type { Statement } from './statement.js'
import type { Tx } from './tx.js'

/** DI token: connection string of the role that serves requests. */
export const DATABASE_APP_URL = Symbol('DATABASE_APP_URL')

const PROBE_POOL_SIZE = 1
/** Three batches of schedules at once, two that are written ahead, and one for who looks what is next. */
const TIMER_POOL_SIZE = 6
const PROBE_TIMEOUT_MS = 1000
/** How much longer than the server we wait for a statement: its refusal tells more than our silence. */
const ANSWER_GRACE_MS = 1000

/** Whose connections are used: those of requests, of background work, or of what is due at a moment. */
export type PoolName = 'requests' | 'workers' | 'timers'

/** The database, in four pools: a flood of requests starves neither background work nor the probes, nor they it. */
@Injectable()
export class Database implements OnModuleInit, OnApplicationShutdown {
  /** For requests. */
  readonly requests: ConnectionPool
  /** For background work. */
  readonly workers: ConnectionPool
  /** For what is due at a moment: who waits behind a thousand runs for a connection is seconds late. */
  readonly timers: ConnectionPool
  /** All of them, for who watches. */
  readonly pools: readonly ConnectionPool[]
  private readonly probes: ConnectionPool

  constructor(@Inject(DATABASE_APP_URL) appUrl: string, { settings }: AppConfig, monitor: DatabaseMonitor) {
    const url = throughPooler(appUrl, settings.DATABASE_POOLER_URL)
    const connectTimeoutMs = settings.DATABASE_CONNECT_TIMEOUT_MS
    const statementTimeoutMs = settings.DATABASE_STATEMENT_TIMEOUT_MS
    const lockTimeoutMs = settings.DATABASE_LOCK_TIMEOUT_MS
    const answerTimeoutMs = statementTimeoutMs + ANSWER_GRACE_MS
    const preparedStatements = settings.DATABASE_PREPARED_STATEMENTS
    const shared = { url, connectTimeoutMs, statementTimeoutMs, lockTimeoutMs, answerTimeoutMs, preparedStatements }
    const named = (name: PoolName | 'probes') => ({
      ...shared,
      name,
      monitor: monitor.forPool(name, { servesRequests: name === 'requests' }),
    })
    this.requests = new ConnectionPool({ ...named('requests'), size: settings.DATABASE_POOL_SIZE })
    this.workers = new ConnectionPool({ ...named('workers'), size: settings.DATABASE_WORKER_POOL_SIZE })
    this.timers = new ConnectionPool({ ...named('timers'), size: TIMER_POOL_SIZE })
    this.probes = new ConnectionPool({
      ...named('probes'),
      size: PROBE_POOL_SIZE,
      connectTimeoutMs: PROBE_TIMEOUT_MS,
      statementTimeoutMs: PROBE_TIMEOUT_MS,
      answerTimeoutMs: PROBE_TIMEOUT_MS,
    })
    this.pools = [this.requests, this.workers, this.timers, this.probes]
  }

  async onModuleInit(): Promise<void> {
    await Promise.all(this.pools.map((pool) => pool.open()))
  }

  /** Last of all: requests in flight have been answered by then. */
  async onApplicationShutdown(): Promise<void> {
    await Promise.all(this.pools.map((pool) => pool.close()))
  }

  /** A request's transaction. */
  transaction<T>(scope: Scope, work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.requests.transaction(scope, work)
  }

  /** A request's transaction that is known as a whole: see {@link ConnectionPool.flight}. */
  flight<T>(scope: Scope, work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.requests.flight(scope, work)
  }

  /** A request's single read-only statement, in one flight. */
  read<Row extends object>(scope: Scope, statement: Statement): Promise<Row[]> {
    return this.requests.read<Row>(scope, statement)
  }

  /** @throws AppError `unavailable` within about a second when the database does not answer. */
  async probe(): Promise<void> {
    await this.probes.read({}, { text: 'SELECT 1' })
  }
}
