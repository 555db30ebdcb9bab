import { readFile } from 'node:fs/promises'
import { asSuperuser } from './superuser.mjs'

/** No statement of the app's may take longer, but for locks. */
const SLOW_MS = 1000
const SHOWN = 5
const SHOWN_CHARACTERS = 200
const LINES_BEFORE_CHARACTERS = 2000
const LOCK_WAIT = /process (?<pid>\d+) acquired .* after (?<ms>[\d.]+) ms$/
const STATEMENT = /^\S+ \S+ \S+ \[(?<pid>\d+)\] STATEMENT: {2}(?<text>.*(?:\n\t.*)*)/gm

/** What the server must be told, for {@link tellSlowStatements}. */
export const STATEMENT_SETTINGS = { shared_preload_libraries: 'pg_stat_statements', log_lock_waits: 'on' }

/** From now on the server keeps account of how long each statement took. */
export async function watchStatements(url) {
  await ask(url, 'CREATE EXTENSION pg_stat_statements')
}

/**
 * Says which statements of the app's own roles took longest in all tests, and all that took too long; the superuser's are those that
 * tests plant rows with. Beside it the longest wait for a lock, as tests have statements do: of the same statement, if not of the same
 * execution. Told and not asserted: on a shared machine a statement can wait a second for the processor as well.
 */
export async function tellSlowStatements(url, logFile) {
  const waits = longestLockWaits(await readFile(logFile, 'utf8'))
  const rows = await ask(
    url,
    `SELECT round(max_exec_time)::integer AS ms, calls::integer, query AS text FROM pg_stat_statements
      WHERE userid <> 'postgres'::regrole AND query NOT LIKE '%pg_sleep%' ORDER BY max_exec_time DESC`,
  )
  const slowest = rows
    .map(({ ms, calls, text }) => ({ ms, calls, text, waitedMs: waits.get(formOf(text)) ?? 0 }))
    .filter(({ ms }, index) => ms > SLOW_MS || index < SHOWN)
  const working = slowest.filter(({ ms, waitedMs }) => ms - waitedMs > SLOW_MS).length
  const lines = slowest.map(({ ms, waitedMs, calls, text }) => {
    const waited = waitedMs > 0 ? `, longest wait for a lock ${waitedMs} ms` : ''
    return `  ${ms} ms at most in ${calls} calls${waited}: ${text.replaceAll(/\s+/g, ' ').slice(0, SHOWN_CHARACTERS)}\n`
  })
  const title = `\nslowest statements of the app (${working} over ${SLOW_MS} ms that no lock explains):\n`
  process.stderr.write(title + lines.join(''))
}

/** By the statement's form, in milliseconds. The server logs those over its `deadlock_timeout`, a second. */
function longestLockWaits(log) {
  const waits = new Map()
  for (const { groups, index } of log.matchAll(STATEMENT)) {
    // The statement's line is the last of a few that one process writes at once.
    const before = log
      .slice(Math.max(0, index - LINES_BEFORE_CHARACTERS), index)
      .trimEnd()
      .split('\n')
      .slice(-3)
    const wait = before.map((line) => LOCK_WAIT.exec(line)?.groups).find((found) => found?.pid === groups.pid)
    const form = formOf(groups.text)
    if (wait) waits.set(form, Math.max(waits.get(form) ?? 0, Math.round(Number(wait.ms))))
  }
  return waits
}

/** A statement without its constants, which pg_stat_statements leaves out, too; and without comments, whose apostrophes begin none. */
function formOf(text) {
  const bare = text.replaceAll(/--.*$/gm, '').replaceAll(/\$\d+|'[^']*'|\b\d+\b/g, '?')
  return bare.replaceAll(/\s+/g, ' ').trim()
}

function ask(url, text) {
  return asSuperuser(url, async (client) => (await client.query(text)).rows)
}
