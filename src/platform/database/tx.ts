import { DatabaseError, type QueryResult, type QueryResultRow } from 'pg'
import type { DataSource, EntityManager } from 'typeorm'
import { rescopeStatement, type Scope } from './scope.js'
import { type Statement, type StatementConfig, toConfig } from './statement.js'

const IN_FAILED_TRANSACTION = '25P02'

interface LastWork {
  readonly scope: Scope
  readonly work: () => Promise<void>
}

/** Where a transaction's statements go: a connection, or what will be sent over one as a whole. */
export interface StatementSink {
  query<Row extends QueryResultRow>(statement: StatementConfig): Promise<QueryResult<Row>>
}

/** An open transaction. The service that opened it hands it down as the last argument; nobody keeps it. */
export class Tx {
  private manager: EntityManager | undefined
  private readonly commitHooks: (() => unknown)[] = []
  private readonly lastWork: LastWork[] = []
  private readonly workWithCommit: LastWork[] = []
  private isOver = false
  private failure: { readonly reason: unknown } | undefined
  private scope: Scope

  constructor(
    private readonly sink: StatementSink,
    private readonly options: {
      readonly scope: Scope
      readonly canPrepare: boolean
      /** For TypeORM; absent where statements are only collected. */
      readonly dataSource?: DataSource
    },
  ) {
    this.scope = options.scope
  }

  /** TypeORM inside this transaction. Not its `save`, which would open a transaction of its own. */
  get entities(): EntityManager {
    const { dataSource } = this.options
    if (!dataSource) throw new Error('a flight takes statements only')
    if (!this.manager) {
      const runner = dataSource.createQueryRunner()
      const connection = { query: (text: string, values?: unknown[]) => this.send({ text, ...(values && { values }) }) }
      runner.connect = async () => connection
      this.manager = dataSource.createEntityManager(runner)
    }
    return this.manager
  }

  /**
   * Runs `work` last thing before COMMIT, in the scope that holds now; what it throws rolls the transaction back. For a write
   * that takes a lock which others soon wait for. Tenants take their turns in one order, so that two transactions which work
   * for several cannot wait for each other.
   */
  beforeCommit(work: () => Promise<void>): void {
    this.lastWork.push({ scope: this.scope, work })
  }

  /**
   * Sends what `work` asks for at once in the message that commits, behind all {@link beforeCommit}: a lock that it takes lives no
   * longer than the commit takes. A statement that the database refuses rolls the transaction back; what `work` throws for another
   * reason comes too late.
   */
  withCommit(work: () => Promise<void>): void {
    this.workWithCommit.push({ scope: this.scope, work })
  }

  /**
   * Why the transaction failed, given what it threw. Statements that were sent behind the one that failed fail as well, and one of
   * theirs may be heard first.
   */
  causeOf(thrown: unknown): unknown {
    const isConsequence = thrown instanceof DatabaseError && thrown.code === IN_FAILED_TRANSACTION
    return isConsequence && this.failure ? this.failure.reason : thrown
  }

  get hasLastWork(): boolean {
    return this.lastWork.length > 0 || this.workWithCommit.length > 0
  }

  /** For the pool, once the work of the transaction is done. */
  async runLastWork(): Promise<void> {
    for (const { scope, work } of this.lastWork.toSorted(byTenant)) {
      if (scope !== this.scope) await this.rescope(scope)
      await work()
    }
  }

  /** For the pool, in the turn in which it sends COMMIT. */
  async sendWorkWithCommit(): Promise<void> {
    const sent = this.workWithCommit
      .toSorted(byTenant)
      .map(({ scope, work }) => (scope === this.scope ? work() : this.within(scope, work)))
    await Promise.all(sent)
  }

  /**
   * Calls `hook` once the transaction has committed, and never if it does not, and waits for it, with no connection in hand. For what
   * is kept of the rows elsewhere: it must not throw.
   */
  afterCommit(hook: () => unknown): void {
    this.assertOpen()
    this.commitHooks.push(hook)
  }

  /** For the pool, before it sends COMMIT or ROLLBACK. */
  close(): void {
    this.isOver = true
  }

  /** For the pool, when COMMIT has succeeded. */
  async committed(): Promise<void> {
    await Promise.all(this.commitHooks.map((hook) => hook()))
  }

  /** Goes on in another scope: for one change whose record belongs to several tenants, and must be one commit. */
  async rescope(scope: Scope): Promise<void> {
    await this.send(rescopeStatement(scope))
    this.scope = scope
  }

  /** Asks for what `work` asks for at once in another scope, in one message. What comes behind it stays in that scope. */
  async within<T>(scope: Scope, work: () => Promise<T>): Promise<T> {
    const [, result] = await Promise.all([this.rescope(scope), work()])
    return result
  }

  /** Runs one statement and gives its rows. */
  async query<Row extends QueryResultRow>(statement: Statement): Promise<Row[]> {
    return (await this.send<Row>(statement)).rows
  }

  /** Runs one statement and gives the number of rows that it changed. */
  async execute(statement: Statement): Promise<number> {
    return (await this.send(statement)).rowCount ?? 0
  }

  private send<Row extends QueryResultRow>(statement: Statement): Promise<QueryResult<Row>> {
    this.assertOpen()
    const answer = this.sink.query<Row>(toConfig(statement, this.options.canPrepare))
    answer.catch((reason: unknown) => (this.failure ??= { reason }))
    return answer
  }

  /**
   * A branch of a `Promise.all` can live on after another has failed and the transaction has ended with it. What it says
   * then would be said in the transaction of whoever has the connection next, in another tenant's scope.
   */
  private assertOpen(): void {
    if (this.isOver) throw new Error('this transaction is over')
  }
}

function byTenant({ scope: a }: LastWork, { scope: b }: LastWork): number {
  return (a.tenantId ?? '') < (b.tenantId ?? '') ? -1 : Number((a.tenantId ?? '') > (b.tenantId ?? ''))
}
