import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { setTimeout as sleep } from 'node:timers/promises'
import { UNLIMITED } from './limit-settings.js'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
/** The project's own Node 24, whatever runs the tests. */
const NODE = join(ROOT, 'node_modules', 'node', 'bin', 'node')
const READY_LIMIT_MS = 30_000
const EXIT_LIMIT_MS = 30_000
const POLL_MS = 10
/** One for all data directories, in place of one under each: compiling takes longer than most of these tests. */
const NODE_COMPILE_CACHE = join(ROOT, 'node_modules', '.cache', 'node-compile-cache')
const TEST_SETTINGS = {
  ...UNLIMITED,
  PORT: '0',
  ARGON2_MEMORY_KIB: '8192',
  ARGON2_TIME_COST: '1',
  NODE_COMPILE_CACHE,
}

/** What production asks for, over the tests' own settings: it refuses hashing as weak as theirs. */
export const PRODUCTION = {
  NODE_ENV: 'production',
  JWT_SECRET: 'x'.repeat(32),
  ARGON2_MEMORY_KIB: '19456',
  ARGON2_TIME_COST: '2',
}

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** A program of the built app, in a process of its own. */
export class AppProcess {
  stdout = ''
  stderr = ''
  readonly startedAt = performance.now()
  readonly exited: Promise<Exit>

  constructor(private readonly child: ChildProcess) {
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.stdout += text))
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text))
    this.exited = new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (code, signal) => resolve({ code, signal, stdout: this.stdout, stderr: this.stderr }))
    })
  }

  get isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null
  }

  /** Resolves with the base URL when the app says that it has started. @throws Error with its output when it does not */
  async ready(): Promise<string> {
    await this.until(() => this.event('server_started') !== undefined, READY_LIMIT_MS)
    return String(this.event('server_started')?.['url'])
  }

  /** Resolves when `isMet`. @throws Error with the output when the process ends before, or takes too long */
  async until(isMet: () => boolean, limitMs: number): Promise<void> {
    const deadline = Date.now() + limitMs
    while (!isMet()) {
      if (!this.isRunning || Date.now() > deadline) {
        throw new Error(`the app ended or took too long\n${this.stdout}\n${this.stderr}`)
      }
      await sleep(POLL_MS)
    }
  }

  /** The first log line of that event. */
  event(name: string): Record<string, unknown> | undefined {
    const line = this.stdout.split('\n').find((text) => text.includes(`"event":"${name}"`) && text.endsWith('}'))
    return line === undefined ? undefined : (JSON.parse(line) as Record<string, unknown>)
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal)
  }

  /** Sends the signal and waits for the end. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Exit> {
    this.kill(signal)
    return this.exit()
  }

  /** Waits for the end. @throws Error with the output when it does not come */
  async exit(): Promise<Exit> {
    const late = new AbortController()
    const timeout = sleep(EXIT_LIMIT_MS, undefined, { signal: late.signal }).then(() => {
      throw new Error(`the app did not end\n${this.stdout}\n${this.stderr}`)
    })
    try {
      return await Promise.race([this.exited, timeout])
    } finally {
      timeout.catch(() => undefined)
      late.abort()
    }
  }
}

/** A data directory of a test's own, and the processes that were started on it: all gone when it is disposed of. */
export class AppHome implements AsyncDisposable {
  private readonly processes: AppProcess[] = []

  private constructor(readonly dataDir: string) {}

  /** As `mkdtemp` makes it: only its owner may enter. */
  static async create(): Promise<AppHome> {
    return new AppHome(await realpath(await mkdtemp(join(tmpdir(), 'temponest-process-'))))
  }

  /** `node dist/main.js`; nothing of this process's own settings goes in. */
  start(env: Record<string, string> = {}): AppProcess {
    return this.run(['dist/main.js'], env)
  }

  /** Any program of the built app on this data directory. */
  run(args: readonly string[], env: Record<string, string> = {}): AppProcess {
    const { PATH = '', HOME = '' } = process.env
    const child = spawn(NODE, args, {
      cwd: ROOT,
      env: { PATH, HOME, ...TEST_SETTINGS, DATA_DIR: this.dataDir, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const started = new AppProcess(child)
    this.processes.push(started)
    return started
  }

  /** The servers (not their backends) that run on the cluster of this directory. */
  postgresPids(): number[] {
    const cluster = join(this.dataDir, 'postgres', 'data')
    const found = listProcesses().filter(({ command }) => command.includes(`postgres -D ${cluster} `))
    // A child that was forked just now has the server's command line until it gives itself its own.
    const pids = new Set(found.map(({ pid }) => pid))
    return found.filter(({ parentPid }) => !pids.has(parentPid)).map(({ pid }) => pid)
  }

  /** The server's end takes a moment after its last word. */
  async postgresIsGone(limitMs = 1000): Promise<boolean> {
    const deadline = Date.now() + limitMs
    while (this.postgresPids().length > 0) {
      if (Date.now() > deadline) return false
      await sleep(POLL_MS)
    }
    return true
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const started of this.processes) started.kill('SIGKILL')
    await Promise.all(this.processes.map(({ exited }) => exited))
    for (const pid of this.postgresPids()) process.kill(pid, 'SIGKILL')
    await this.postgresIsGone(5000)
    // Backends of a server that was killed may still write for a moment.
    await rm(this.dataDir, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
  }
}

/** Running processes with their command lines. Zombies have none in /proc, and do not count. */
function listProcesses(): { pid: number; parentPid: number; command: string }[] {
  if (!existsSync('/proc/self/cmdline')) {
    const lines = execFileSync('ps', ['-A', '-ww', '-o', 'pid=,ppid=,command='], { encoding: 'utf8' })
      .trim()
      .split('\n')
    return lines.map((line) => {
      const [pid, parentPid] = line.trim().split(/\s+/).map(Number)
      return { pid: pid ?? 0, parentPid: parentPid ?? 0, command: line }
    })
  }
  const pids = readdirSync('/proc').map(Number).filter(Number.isInteger)
  return pids.map((pid) => ({ pid, parentPid: readParent(pid), command: readCommand(pid) }))
}

/** The fourth field of /proc/<pid>/stat, behind a name that may hold anything but a later bracket; 0: it has ended. */
function readParent(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return Number(
      stat
        .slice(stat.lastIndexOf(')') + 1)
        .trim()
        .split(' ')[1],
    )
  } catch {
    return 0
  }
}

function readCommand(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
  } catch {
    // It has ended since it was listed.
    return ''
  }
}
