import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import { findFreePort } from '#platform/database/embedded/free-port.js'

const START_LIMIT_MS = 10_000
const POLL_MS = 25
const STATS_USER = 'stats'

export interface PgBouncerOptions {
  /** Of the server behind it, as the role that connects: the pooler is told the role's password. */
  readonly url: string
  /** Connections to the server. */
  readonly poolSize: number
}

/**
 * A PgBouncer in transaction mode, as strict as it comes: it ignores no start-up parameter that it does not know, and a
 * version before 1.21 keeps no prepared statements. Needs `pgbouncer` on PATH; installed first where we are root on Debian.
 */
export class PgBouncer implements AsyncDisposable {
  private constructor(
    private readonly child: ChildProcess,
    private readonly port: number,
    private readonly folder: string,
    private readonly password: string,
  ) {}

  static async start({ url, poolSize }: PgBouncerOptions): Promise<PgBouncer> {
    const program = findOnPath('pgbouncer') ?? install()
    const { hostname, port: serverPort, username, password } = new URL(url)
    const folder = await mkdtemp(join(tmpdir(), 'temponest-pgbouncer-'))
    const port = await findFreePort()
    const users = join(folder, 'users.txt')
    const settings = join(folder, 'pgbouncer.ini')
    await writeFile(
      users,
      `"${decodeURIComponent(username)}" "${decodeURIComponent(password)}"\n"${STATS_USER}" "${STATS_USER}"\n`,
    )
    await writeFile(
      settings,
      `[databases]
* = host=${hostname} port=${serverPort || 5432}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${users}
stats_users = ${STATS_USER}
pool_mode = transaction
default_pool_size = ${poolSize}
`,
    )
    const child = spawn(program, [...(await asAnotherUser([folder, users, settings])), settings], { stdio: 'ignore' })
    const bouncer = new PgBouncer(child, port, folder, STATS_USER)
    await bouncer.ready()
    return bouncer
  }

  /** `url` with the address of the pooler in place of the server's. */
  through(url: string): string {
    return Object.assign(new URL(url), { hostname: '127.0.0.1', port: String(this.port) }).href
  }

  /** Transactions that went through, by database. */
  async transactions(): Promise<Map<string, number>> {
    const client = await this.console()
    try {
      const { rows } = await client.query<{ database: string; xact_count: string }>('SHOW STATS_TOTALS')
      return new Map(rows.map(({ database, xact_count }) => [database, Number(xact_count)]))
    } finally {
      await client.end()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited = once(this.child, 'exit')
    if (this.child.exitCode === null && this.child.kill('SIGTERM')) await exited
    await rm(this.folder, { recursive: true, force: true })
  }

  private async ready(): Promise<void> {
    const deadline = Date.now() + START_LIMIT_MS
    while (true) {
      const isUp = await this.console().then(
        (client) => client.end().then(() => true),
        () => false,
      )
      if (isUp) return
      if (this.child.exitCode !== null || Date.now() > deadline) throw new Error('pgbouncer did not start')
      await sleep(POLL_MS)
    }
  }

  private async console(): Promise<Client> {
    const client = new Client({
      host: '127.0.0.1',
      port: this.port,
      database: 'pgbouncer',
      user: STATS_USER,
      password: this.password,
    })
    await client.connect()
    return client
  }
}

/** It refuses to run as root, and drops to the user that it is told; that one has to be able to read its files. */
async function asAnotherUser(files: readonly string[]): Promise<string[]> {
  if (userInfo().uid !== 0) return []
  const [uid, gid] = ['-u', '-g'].map((flag) => Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' })))
  for (const file of files) await chown(file, uid ?? 0, gid ?? 0)
  return ['--user', 'nobody']
}

function findOnPath(program: string): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter).concat('/usr/sbin', '/usr/local/sbin')
  return folders.map((folder) => join(folder, program)).find((path) => existsSync(path))
}

function install(): string {
  if (userInfo().uid === 0 && existsSync('/etc/debian_version')) {
    execFileSync('apt-get', ['update', '-qq'], { stdio: 'ignore' })
    execFileSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'pgbouncer'], { stdio: 'ignore' })
    const program = findOnPath('pgbouncer')
    if (program) return program
  }
  throw new Error('this test needs PgBouncer: put pgbouncer on PATH (Debian: apt-get install pgbouncer)')
}
