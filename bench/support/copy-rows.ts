import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { from as copyFrom } from 'pg-copy-streams'
import { withClient } from './postgres.ts'

const CHUNK_CHARACTERS = 256 * 1024
/** Past foreign keys and triggers: what is planted is right, and has been counted by nobody. A superuser's right. */
const WITHOUT_TRIGGERS = `SET session_replication_role = replica; SET synchronous_commit = off; SET maintenance_work_mem = '512MB'`

/** Runs statements as the load does: no trigger fires, no foreign key is checked. */
export async function loadWith(url: string, ...statements: string[]): Promise<void> {
  await withClient(url, async (client) => {
    await client.query(WITHOUT_TRIGGERS)
    for (const statement of statements) await client.query(statement)
  })
}

/** Copies lines of COPY's text format into a table, on a connection of its own. */
export async function copyRows(url: string, target: string, lines: Iterable<string>): Promise<void> {
  await withClient(url, async (client) => {
    await client.query(WITHOUT_TRIGGERS)
    await pipeline(Readable.from(chunksOf(lines)), client.query(copyFrom(`COPY ${target} FROM STDIN`)))
  })
}

/**
 * Copies into tables without their indexes, but for their keys, and makes them anew behind it: in one go each takes a
 * fraction of what it takes row by row.
 */
export async function withoutIndexes(url: string, tables: readonly string[], load: () => Promise<void>): Promise<void> {
  const indexes = await withClient(url, async (client) => {
    const { rows } = await client.query<{ name: string; definition: string }>(
      `SELECT c.relname AS name, pg_get_indexdef(i.indexrelid) AS definition FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        WHERE i.indrelid = ANY ($1::regclass[]) AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid)`,
      [tables],
    )
    for (const { name } of rows) await client.query(`DROP INDEX ${name}`)
    return rows
  })
  await load()
  // Two at once, for two cores.
  const halves = [0, 1].map((half) => indexes.filter((_, nth) => nth % 2 === half).map(({ definition }) => definition))
  await Promise.all(halves.map((definitions) => loadWith(url, ...definitions)))
}

function* chunksOf(lines: Iterable<string>): Generator<string> {
  let chunk = ''
  for (const line of lines) {
    chunk += line
    if (chunk.length < CHUNK_CHARACTERS) continue
    yield chunk
    chunk = ''
  }
  yield chunk
}
