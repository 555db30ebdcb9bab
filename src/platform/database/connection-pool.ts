import type { ClientBase, Pool, PoolClient, QueryResult } from 'pg'
import { DataSource, getMetadataArgsStorage } from 'typeorm'
import { BatchingClient } from './batching-client.js'
import { toAppError } from './database-error.js'
import { MeasuredConnection } from './measured-connection.js'
import type { PoolMonitor } from './monitor/pool-monitor.js'
import { type Scope, scopeStatement } from './scope.js'
import { StatementBatch } from './statement-batch.js'
import { type Statement, type StatementConfig, toConfig } from './statement.js'
import { CollectedStatements } from './collected-statements.js'
import { type StatementSink, Tx } from './tx.js'

export interface ConnectionPoolOptions {
  readonly url: string
  /** Seen in `pg_stat_activity`. */
  readonly name: string
  readonly size: number
  readonly connectTimeoutMs: number
  /** After which the server stops a statement. */
  readonly statementTimeoutMs: number
  /** After which it stops one that waits for somebody's lock. */
  readonly lockTimeoutMs: number
  /** After which we stop waiting for the server, in case the network swallowed the answer. */
  readonly answerTimeoutMs: number
  /** False behind a pooler that gives each transaction another connection and keeps no prepared statements. */
  readonly preparedStatements: boolean
  /** Is told of every statement. */
  readonly monitor?: PoolMonitor
}

/** Of a pool: connections open and idle, who waits for one, and how many there may be. */
export interface PoolLoad {
  readonly total: number
  readonly idle: number
  readonly waiting: number
  readonly max: number
}

const IDLE_IN_TRANSACTION_TIMEOUT_MS = 30_000
const CONNECTION_MAX_LIFETIME_SECONDS = 1800
const KEEP_ALIVE_DELAY_MS = 10_000
const COMMIT: StatementConfig = { text: 'COMMIT', values: [] }

/** A pool of connections as one role for one kind of work, every use of which is a transaction in a named scope. */
export class ConnectionPool {
  private readonly dataSource: DataSource

  constructor(private readonly options: ConnectionPoolOptions) {
    this.dataSource = new DataSource({
      type: 'postgres',
      url: options.url,
      applicationName: `temponest-${options.name}`,
      poolSize: options.size,
      entities: getMetadataArgsStorage().tables.map((table) => table.target),
      extra: {
        pipeline: true,
        Client: BatchingClient,
        connectionTimeoutMillis: options.connectTimeoutMs,
        query_timeout: options.answerTimeoutMs,
        onConnect: surviveLoss,
        maxLifetimeSeconds: CONNECTION_MAX_LIFETIME_SECONDS,
        keepAlive: true,
        keepAliveInitialDelayMillis: KEEP_ALIVE_DELAY_MS,
      },
    })
  }

  async open(): Promise<void> {
    await this.dataSource.initialize()
    // An idle connection that the server ends is the pool's to replace, not a reason to crash.
    this.pool.on('error', () => undefined)
  }

  async close(): Promise<void> {
    if (this.dataSource.isInitialized) await this.dataSource.destroy()
  }

  get name(): string {
    return this.options.name
  }

  get load(): PoolLoad {
    const max = this.options.size
    if (!this.dataSource.isInitialized) return { total: 0, idle: 0, waiting: 0, max }
    const { totalCount: total, idleCount: idle, waitingCount: waiting } = this.pool
    return { total, idle, waiting, max }
  }

  /** Runs `work` in one transaction; commits when it resolves, rolls back when it throws. */
  async transaction<T>(scope: Scope, work: (tx: Tx) => Promise<T>): Promise<T> {
    const client = await this.connect()
    const { monitor, preparedStatements: canPrepare } = this.options
    const connection: StatementSink = monitor ? new MeasuredConnection(client, monitor) : client
    const tx = new Tx(connection, { scope, canPrepare, dataSource: this.dataSource })
    let broken: Error | undefined
    let result: T
    try {
      // Both on the wire at once; neither result is needed before the work begins.
      const opened = Promise.all([client.query('BEGIN'), client.query(this.scopeConfig(scope))])
      ;[result] = await Promise.all([work(tx), opened])
      await tx.runLastWork()
      const sent = tx.sendWorkWithCommit()
      tx.close()
      const [{ command }] = await Promise.all([connection.query(COMMIT), sent])
      // PostgreSQL answers COMMIT of a failed transaction with ROLLBACK: somebody caught an error that he should not have.
      if (command !== 'COMMIT') throw new Error('the transaction had failed and was rolled back')
    } catch (error) {
      tx.close()
      broken = await rollback(client)
      throw toAppError(tx.causeOf(error))
    } finally {
      client.release(broken)
    }
    await tx.committed()
    return result
  }

  /**
   * Runs a transaction that is known as a whole, in one flight: `work` asks for all its statements before it waits for any, and
   * hears of them once all is committed. What it asks for later is refused. Nothing is sent when it throws before it waits.
   */
  async flight<T>(scope: Scope, work: (tx: Tx) => Promise<T>): Promise<T> {
    const collected = new CollectedStatements()
    const tx = new Tx(collected, { scope, canPrepare: this.options.preparedStatements })
    let failure: { readonly reason: unknown } | undefined
    const result = work(tx)
    result.catch((reason: unknown) => (failure = { reason }))
    const client = await this.connect()
    tx.close()
    if (failure || tx.hasLastWork) {
      client.release()
      throw failure?.reason ?? new Error('a flight has no last work')
    }
    try {
      collected.resolve(await this.send(client, scope, collected.statements))
    } catch (error) {
      collected.reject(error)
      throw error
    }
    await tx.committed()
    return result
  }

  /** Runs one statement that only reads: scope and statement go in one message, as one transaction. */
  async read<Row extends object>(scope: Scope, statement: Statement): Promise<Row[]> {
    const client = await this.connect()
    const [result] = await this.send(client, scope, [toConfig(statement, this.options.preparedStatements)])
    return takeRows<Row>(result)
  }

  /** Sends a whole transaction, gives the connection back, and returns the statements' results. */
  private async send(
    client: PoolClient,
    scope: Scope,
    statements: readonly StatementConfig[],
  ): Promise<readonly QueryResult[]> {
    const { monitor } = this.options
    const sentAtMs = performance.now()
    monitor?.sending(statements, sentAtMs)
    try {
      const results = await new Promise<readonly QueryResult[]>((resolve, reject) => {
        const done = (error: Error | null, answers: readonly QueryResult[]): void =>
          error ? reject(error) : resolve(answers)
        client.query(new StatementBatch([this.scopeConfig(scope), ...statements], done))
      })
      client.release()
      return results.slice(1)
    } catch (error) {
      // Not worth keeping: what was prepared on it and what was not is unknown.
      client.release(true)
      throw toAppError(error)
    } finally {
      monitor?.answered(statements, performance.now() - sentAtMs)
    }
  }

  private scopeConfig(scope: Scope): StatementConfig {
    const { statementTimeoutMs, lockTimeoutMs, preparedStatements } = this.options
    const limits = { statementTimeoutMs, lockTimeoutMs, idleTimeoutMs: IDLE_IN_TRANSACTION_TIMEOUT_MS }
    return toConfig(scopeStatement(scope, limits), preparedStatements)
  }

  private get pool(): Pool {
    return (this.dataSource.driver as unknown as { master: Pool }).master
  }

  private async connect(): Promise<PoolClient> {
    return this.pool.connect().catch((error: unknown) => {
      throw toAppError(error)
    })
  }
}

/** A connection that breaks while in use fails its statements; unheard, its `error` event would end the process as well. */
function surviveLoss(client: ClientBase): void {
  client.on('error', () => undefined)
}

/**
 * Leaves none behind: what the driver keeps of an answered query reaches, for V8's scavenger, to the next one, so that all rows
 * would stay until the heap is full of them.
 */
function takeRows<Row extends object>(result: QueryResult | undefined): Row[] {
  if (!result) return []
  const rows = result.rows as Row[]
  result.rows = []
  return rows
}

/** An error for `release` when the connection cannot even roll back, so that the pool drops it. */
async function rollback(client: PoolClient): Promise<Error | undefined> {
  return client.query('ROLLBACK').then(
    () => undefined,
    (error: unknown) => (error instanceof Error ? error : new Error(String(error))),
  )
}
