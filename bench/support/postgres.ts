import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Client } from 'pg'
import { z } from 'zod'
import { releasable } from './cleanup.ts'
import { findFreePort, startNodeServer } from './processes.ts'
import { createTemporaryDirectory } from './temporary-directory.ts'

export interface Database {
  readonly url: string
  /**
   * What autovacuum does in its first minute. Until then plans are those of an empty table, where every index of a tenant's
   * runs looks as good as the key: each check of a foreign key walks all of them. Call it after the warm-up.
   */
  analyze(): Promise<void>
}

export interface PostgresServer {
  /** What `SHOW server_version` says. */
  readonly version: string
  /** A new, empty database, owned by the superuser whose URL it comes with, dropped on release. */
  createDatabase(): Promise<Database & AsyncDisposable>
}

/** The server of `BENCH_DATABASE_URL` (its user must be a superuser), else one that the bench starts for itself. */
export async function openPostgres(): Promise<PostgresServer & AsyncDisposable> {
  const given = process.env['BENCH_DATABASE_URL']
  if (given) return releasable(await describeServer(given), async () => {})

  const directory = await createTemporaryDirectory()
  const port = await findFreePort()
  const server = await startNodeServer({
    name: 'PostgreSQL',
    args: [fileURLToPath(import.meta.resolve('./postgres-server.ts')), join(directory.path, 'data'), String(port)],
    ready: z.object({ url: z.string() }),
  })
  return releasable(await describeServer(server.ready.url), async () => {
    await server[Symbol.asyncDispose]()
    await directory[Symbol.asyncDispose]()
  })
}

/** Opens a connection for `work` and closes it again. */
export async function withClient<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

async function describeServer(serverUrl: string): Promise<PostgresServer> {
  const version = await withClient(serverUrl, async (client) => {
    const { rows } = await client.query<{ server_version: string }>('SHOW server_version')
    return rows[0]!.server_version
  })
  return { version, createDatabase: () => createDatabase(serverUrl) }
}

async function createDatabase(serverUrl: string): Promise<Database & AsyncDisposable> {
  const name = `temponest_bench_${randomBytes(6).toString('hex')}`
  await withClient(serverUrl, (client) => client.query(`CREATE DATABASE ${name}`))
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  const analyze = async (): Promise<void> => {
    await withClient(url.href, (client) => client.query('ANALYZE'))
  }
  return releasable({ url: url.href, analyze }, async () => {
    await withClient(serverUrl, (client) => client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`))
  })
}
