import type { ClientBase, Pool, PoolClient, QueryResult } from 'pg'
import { DataSource, getMetadataArgsStorage, QueryFailedError } from 'typeorm'
import { AppError } from '#kernel/app-error.js'
import { SET_SCOPE, scopeValues, type Scope } from './scope.js'
import { ScopedRead } from './scoped-read.js'
import { toConfig, Tx, type Statement } from './tx.js'

export interface ConnectionPoolOptions {
  readonly url: string
  /** Seen in `pg_stat_activity`. */
  readonly name: string
  readonly size: number
  readonly connectTimeoutMs: number
  /** After which the server stops a statement. */
  readonly statementTimeoutMs: number
  /** After which we stop waiting for the server, in case the network swallowed the answer. */
  readonly answerTimeoutMs: number
}

const IDLE_IN_TRANSACTION_TIMEOUT_MS = 30_000
const CONNECTION_MAX_LIFETIME_SECONDS = 1800
const KEEP_ALIVE_DELAY_MS = 10_000
/** SQLSTATE classes and codes that mean "the database is not there just now": connection trouble, shutdown, a statement that took too long, too many clients. */
const UNAVAILABLE_SQLSTATE = /^(08|57P0|57014|53300)/
/** A text that PostgreSQL refuses: 22021 character not in repertoire, 22P05 untranslatable character. */
const UNSTORABLE_SQLSTATES = new Set(['22021', '22P05'])
const UNAVAILABLE_CODES = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'EHOSTUNREACH'])
const UNAVAILABLE_MESSAGE =
  /timeout exceeded when trying to connect|Connection terminated|is not queryable|Query read timeout/

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
        connectionTimeoutMillis: options.connectTimeoutMs,
        statement_timeout: options.statementTimeoutMs,
        query_timeout: options.answerTimeoutMs,
        onConnect: surviveLoss,
        idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,
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

  /** Connections open, idle and waited for; read by the test that proves that none leaks, and by the pool gauges to come. */
  get load(): { total: number; idle: number; waiting: number } {
    const { totalCount, idleCount, waitingCount } = this.pool
    return { total: totalCount, idle: idleCount, waiting: waitingCount }
  }

  /** Runs `work` in one transaction; commits when it resolves, rolls back when it throws. */
  async transaction<T>(scope: Scope, work: (tx: Tx) => Promise<T>): Promise<T> {
    const client = await this.connect()
    const tx = new Tx(client, this.dataSource)
    let broken: Error | undefined
    let result: T
    try {
      // Both on the wire at once; neither result is needed before the work begins.
      const opened = Promise.all([client.query('BEGIN'), client.query({ ...SET_SCOPE, values: scopeValues(scope) })])
      ;[result] = await Promise.all([work(tx), opened])
      await tx.runLastWork()
      tx.close()
      const { command } = await client.query('COMMIT')
      // PostgreSQL answers COMMIT of a failed transaction with ROLLBACK: somebody caught an error that he should not have.
      if (command !== 'COMMIT') throw new Error('the transaction had failed and was rolled back')
    } catch (error) {
      tx.close()
      broken = await rollback(client)
      throw toAppError(error)
    } finally {
      client.release(broken)
    }
    tx.committed()
    return result
  }

  /** Runs one statement that only reads: scope and statement go in one message, as one transaction. */
  async read<Row extends object>(scope: Scope, statement: Statement): Promise<Row[]> {
    const client = await this.connect()
    try {
      const result = await new Promise<QueryResult>((resolve, reject) => {
        const done = (error: Error | null, answer: QueryResult): void => (error ? reject(error) : resolve(answer))
        client.query(new ScopedRead(toConfig(statement), scopeValues(scope), done))
      })
      client.release()
      return result.rows as Row[]
    } catch (error) {
      // Not worth keeping: what was prepared on it and what was not is unknown.
      client.release(true)
      throw toAppError(error)
    }
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

/** An error for `release` when the connection cannot even roll back, so that the pool drops it. */
async function rollback(client: PoolClient): Promise<Error | undefined> {
  return client.query('ROLLBACK').then(
    () => undefined,
    (error: unknown) => (error instanceof Error ? error : new Error(String(error))),
  )
}

function toAppError(thrown: unknown): unknown {
  // TypeORM's wrapper carries the statement's parameters, which must not reach a log.
  const error: unknown = thrown instanceof QueryFailedError ? thrown.driverError : thrown
  if (typeof error !== 'object' || error === null || error instanceof AppError) return error
  const { code = '', message = '' } = error as { code?: string; message?: string }
  if (UNSTORABLE_SQLSTATES.has(code)) {
    const detail = 'A text has a character that cannot be stored, such as a null character.'
    return new AppError('validation_failed', 'invalid', { detail, cause: error })
  }
  const unavailable =
    UNAVAILABLE_CODES.has(code) || UNAVAILABLE_SQLSTATE.test(code) || UNAVAILABLE_MESSAGE.test(message)
  if (!unavailable) return error
  return new AppError('unavailable', 'unavailable', {
    detail: 'The database is not available.',
    retryAfterSeconds: 2,
    cause: error,
  })
}
