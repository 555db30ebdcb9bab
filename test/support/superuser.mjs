import { Client } from 'pg'

/** Runs `work` on a connection of its own. Beside `withClient` of test-database.ts: Jest does not compile what runs around the tests. */
export async function asSuperuser(url, work) {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}
