import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdtempSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { STATEMENT_SETTINGS, watchStatements } from './slow-statements.mjs'
import { asSuperuser } from './superuser.mjs'

const REDIS_START_TIMEOUT_MS = 10_000
const POLL_MS = 25

/**
 * Real servers for the tests: PostgreSQL (TEST_DATABASE_URL, a superuser's; else the embedded one) and Redis (REDIS_URL;
 * else a redis-server on PATH, installed first where we are root on Debian). Every test file makes its own databases.
 */
export default async function globalSetup() {
  const folder = mkdtempSync(join(tmpdir(), 'temponest-test-'))
  const servers = { folder, stop: [] }
  globalThis.__TEMPONEST_TEST_SERVERS__ = servers
  process.env.TEST_DATABASE_URL ??= await startPostgres(folder, servers)
  process.env.TEST_REDIS_URL = process.env.REDIS_URL ?? (await startRedis(folder, servers))
}

async function startPostgres(folder, servers) {
  // The built one: Jest does not compile what runs before the tests.
  const { EmbeddedCluster } = await import('../../dist/platform/database/embedded/embedded-cluster.js')
  const options = { directory: join(folder, 'postgres'), password: 'test' }
  const initial = await EmbeddedCluster.start(options)
  await configureForTests(initial.url)
  // The number of connections is that of a start.
  await initial.stop()
  const cluster = await EmbeddedCluster.start(options)
  await assertConfigured(cluster.url)
  await watchStatements(cluster.url)
  servers.postgres = { url: cluster.url, logFile: join(options.directory, 'postgres.log') }
  servers.stop.push(() => cluster.stop())
  return cluster.url
}

/** What a test kills is the app and never this server, which need not wait for the disk; and several tests have several replicas each. */
const POSTGRES_SETTINGS = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  max_connections: '300',
  ...STATEMENT_SETTINGS,
}

async function configureForTests(url) {
  await asSuperuser(url, async (client) => {
    for (const [name, value] of Object.entries(POSTGRES_SETTINGS)) {
      await client.query(`ALTER SYSTEM SET ${name} = ${value}`)
    }
  })
}

/** What is said on a command line goes before what is set: a server that took no notice would fail tests now and then. */
async function assertConfigured(url) {
  await asSuperuser(url, async (client) => {
    for (const [name, value] of Object.entries(POSTGRES_SETTINGS)) {
      const { rows } = await client.query('SELECT current_setting($1) AS actual', [name])
      if (rows[0].actual !== value) throw new Error(`the tests' PostgreSQL has ${name} = ${rows[0].actual}`)
    }
  })
}

async function startRedis(folder, servers) {
  const program = findOnPath('redis-server') ?? installRedis()
  const port = await findFreePort()
  const child = spawn(
    program,
    ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder],
    { stdio: 'ignore' },
  )
  servers.stop.push(() => new Promise((resolve) => child.once('exit', resolve).kill('SIGTERM')))
  const { createClient } = await import('redis')
  const deadline = Date.now() + REDIS_START_TIMEOUT_MS
  while (true) {
    const client = createClient({ url: `redis://127.0.0.1:${port}`, socket: { reconnectStrategy: false } })
    client.on('error', () => undefined)
    const isUp = await client.connect().then(
      () => client.ping().then(() => true),
      () => false,
    )
    if (isUp) client.destroy()
    if (isUp) return `redis://127.0.0.1:${port}`
    if (Date.now() > deadline) throw new Error(`redis-server did not start within ${REDIS_START_TIMEOUT_MS} ms`)
    await sleep(POLL_MS)
  }
}

function findOnPath(program) {
  const folders = (process.env.PATH ?? '').split(delimiter).concat('/usr/bin', '/usr/local/bin')
  return folders.map((folder) => join(folder, program)).find((path) => existsSync(path))
}

function installRedis() {
  if (process.getuid?.() === 0 && existsSync('/etc/debian_version')) {
    execFileSync('apt-get', ['update', '-qq'], { stdio: 'ignore' })
    execFileSync('apt-get', ['install', '-y', '-qq', 'redis-server'], { stdio: 'ignore' })
    const program = findOnPath('redis-server')
    if (program) return program
  }
  throw new Error(
    'the tests need Redis: set REDIS_URL, or put redis-server on PATH (Debian: apt-get install redis-server)',
  )
}

async function findFreePort() {
  const server = createServer()
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}
