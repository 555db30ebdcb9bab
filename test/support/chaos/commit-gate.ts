import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'

/** The advisory lock, and what a trigger calls to have its commit wait: `PERFORM pg_advisory_xact_lock_shared(${HOLD})`. */
export const HOLD = 4242
const POLL_MS = 10

/** Stops commits at their very end, in the database itself, as a superuser: those whose triggers ask for it, while they are held. */
export class CommitGate implements AsyncDisposable {
  protected constructor(private readonly client: Client) {}

  /** @param installation what makes the triggers, once the tables are there */
  protected static async connect(databaseUrl: string, installation: string): Promise<Client> {
    const client = new Client({ connectionString: databaseUrl })
    await client.connect()
    await client.query(installation)
    return client
  }

  /** From now on commits that ask to be stopped wait. */
  async hold(): Promise<void> {
    await this.client.query('SELECT pg_advisory_lock($1)', [HOLD])
  }

  /** Those that wait go on, and commit though nobody hears of it any more. */
  async letCommit(): Promise<void> {
    await this.client.query('SELECT pg_advisory_unlock($1)', [HOLD])
  }

  /** Those that wait are rolled back. */
  async rollBack(): Promise<void> {
    while ((await this.held()).length > 0) {
      await this.client.query(
        `SELECT pg_terminate_backend(l.pid) FROM pg_locks l
          WHERE l.locktype = 'advisory' AND l.objid = $1 AND NOT l.granted
            AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
        [HOLD],
      )
      await sleep(POLL_MS)
    }
    await this.letCommit()
  }

  /** What the connections are called whose commits wait now. */
  async held(): Promise<string[]> {
    const { rows } = await this.client.query<{ name: string }>(
      `SELECT a.application_name AS name FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
        WHERE l.locktype = 'advisory' AND l.objid = $1 AND NOT l.granted AND a.datname = current_database() ORDER BY 1`,
      [HOLD],
    )
    return rows.map(({ name }) => name)
  }

  async query<Row extends object>(text: string, values: unknown[] = []): Promise<Row[]> {
    return (await this.client.query<Row>(text, values)).rows
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.end()
  }
}
