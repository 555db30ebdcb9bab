import { randomBytes } from 'node:crypto'
import { Client } from 'pg'

/** A database of a test's own, empty, with the connection string of a superuser. */
export interface TestDatabase extends AsyncDisposable {
  readonly url: string
}

export async function createTestDatabase(): Promise<TestDatabase> {
  const name = `temponest_test_${randomBytes(6).toString('hex')}`
  await asSuperuser((client) => client.query(`CREATE DATABASE ${name}`))
  const url = new URL(serverUrl())
  url.pathname = `/${name}`
  return {
    url: url.href,
    [Symbol.asyncDispose]: () =>
      asSuperuser(async (client) => {
        await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
        await client.query(`DROP ROLE IF EXISTS ${name}_app`)
      }),
  }
}

/** Runs `work` on a connection of its own. */
export async function withClient<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

async function asSuperuser(work: (client: Client) => Promise<unknown>): Promise<void> {
  await withClient(serverUrl(), work)
}

function serverUrl(): string {
  const url = process.env['TEST_DATABASE_URL']
  if (!url) throw new Error('TEST_DATABASE_URL is not set: run the tests with `npm test`')
  return url
}
