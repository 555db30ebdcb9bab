import type { PoolClient, QueryResultRow } from 'pg'
import type { DataSource, EntityManager } from 'typeorm'
import { rescopeStatement, type Scope } from './scope.js'
import { toConfig, type Statement } from './statement.js'

/** An open transaction. The service that opened it hands it down as the last argument; nobody keeps it. */
export class Tx {
  private manager: EntityManager | undefined
  private readonly commitHooks: (() => void)[] = []
  private readonly lastWork: { readonly scope: Scope; readonly work: () => Promise<void> }[] = []
  private isOver = false

  constructor(
    private readonly connection: PoolClient,
    private readonly dataSource: DataSource,
    private readonly canPrepare: boolean,
    private scope: Scope,
  ) {}

  /** TypeORM inside this transaction. Not its `save`, which would open a transaction of its own. */
  get entities(): EntityManager {
    if (!this.manager) {
      const runner = this.dataSource.createQueryRunner()
      runner.connect = async () => this.client()
      this.manager = this.dataSource.createEntityManager(runner)
    }
    return this.manager
  }

  /**
   * Runs `work` last thing before COMMIT, in the order of the calls and in the scope of the call; what it throws rolls the
   * transaction back. For a write that takes a lock which others soon wait for.
   */
  beforeCommit(work: () => Promise<void>): void {
    this.lastWork.push({ scope: this.scope, work })
  }

  /** For the pool, once the work of the transaction is done. */
  async runLastWork(): Promise<void> {
    for (const { scope, work } of this.lastWork) {
      if (scope !== this.scope) await this.rescope(scope)
      await work()
    }
  }

  /** Calls `hook` once the transaction has committed, and never if it does not. For process state only: it must not throw. */
  afterCommit(hook: () => void): void {
    this.commitHooks.push(hook)
  }

  /** For the pool, before it sends COMMIT or ROLLBACK. */
  close(): void {
    this.isOver = true
  }

  /** For the pool, when COMMIT has succeeded. */
  committed(): void {
    for (const hook of this.commitHooks) hook()
  }

  /** Goes on in another scope: for one change whose record belongs to several tenants, and must be one commit. */
  async rescope(scope: Scope): Promise<void> {
    await this.client().query(toConfig(rescopeStatement(scope), this.canPrepare))
    this.scope = scope
  }

  /** Runs one statement and gives its rows. */
  async query<Row extends QueryResultRow>(statement: Statement): Promise<Row[]> {
    return (await this.client().query<Row>(toConfig(statement, this.canPrepare))).rows
  }

  /** Runs one statement and gives the number of rows that it changed. */
  async execute(statement: Statement): Promise<number> {
    return (await this.client().query(toConfig(statement, this.canPrepare))).rowCount ?? 0
  }

  /**
   * A branch of a `Promise.all` can live on after another has failed and the transaction has ended with it. What it says
   * then would be said in the transaction of whoever has the connection next, in another tenant's scope.
   */
  private client(): PoolClient {
    if (this.isOver) throw new Error('this transaction is over')
    return this.connection
  }
}
