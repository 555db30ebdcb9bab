import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { z } from 'zod'
import { releasable } from './cleanup.ts'

const STOP_TIMEOUT_MS = 30_000
const READY_TIMEOUT_MS = 60_000
const KEPT_OUTPUT_CHARACTERS = 8_000

const liveGroups = new Set<number>()
// The last resort, when nobody awaited a stop: whatever is left dies with the bench.
process.on('exit', () => liveGroups.forEach(killGroup))

export interface NodeProcessOptions {
  name: string
  /** Arguments to `node`: flags, the script, its arguments. */
  args: string[]
  /** All that the process sees beside `PATH` and `HOME`: a developer's own settings must not change a figure. */
  env?: Record<string, string>
}

export interface NodeProcess {
  readonly name: string
  readonly pid: number
  readonly child: ChildProcess
  /** Resolves when the process has ended, however it ended. */
  readonly ended: Promise<void>
  /** The newest output, for an error message. */
  output(): string
}

/** Starts `node` as a process group of its own; released by SIGTERM, after 30 s by SIGKILL. */
export async function startNode(options: NodeProcessOptions): Promise<NodeProcess & AsyncDisposable> {
  const { PATH = '', HOME = '' } = process.env
  const child = spawn(process.execPath, options.args, {
    env: { PATH, HOME, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  const ended = once(child, 'exit').then(() => undefined)
  await once(child, 'spawn')
  const pid = child.pid!
  liveGroups.add(pid)

  let kept = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (kept = (kept + text).slice(-KEPT_OUTPUT_CHARACTERS)))
  }
  return releasable({ name: options.name, pid, child, ended, output: () => kept.trim() }, async () => {
    child.kill('SIGTERM')
    await Promise.race([ended, delay(STOP_TIMEOUT_MS, undefined, { ref: false })])
    // Also after a clean end: a server that forgot a child of its own must not leave it running.
    killGroup(pid)
    await ended
    liveGroups.delete(pid)
  })
}

/** Starts a `node` script that prints one line of JSON, a `ready`, on its standard output once it serves; returns that too. */
export async function startNodeServer<Ready extends z.ZodType>(
  options: NodeProcessOptions & { ready: Ready },
): Promise<NodeProcess & { ready: z.infer<Ready> } & AsyncDisposable> {
  const started = await startNode(options)
  try {
    return Object.assign(started, { ready: options.ready.parse(JSON.parse(await readyLine(started))) })
  } catch (error) {
    await started[Symbol.asyncDispose]()
    throw error
  }
}

/** @throws when `work` does not finish while the process lives and within a minute; the message carries its output. */
export async function whileAlive<T>(started: NodeProcess, work: Promise<T>): Promise<T> {
  const failed = (what: string) => new Error(`${started.name} ${what}. Its output:\n${started.output()}`)
  return Promise.race([
    work,
    started.ended.then(() => Promise.reject(failed('ended before it was ready'))),
    delay(READY_TIMEOUT_MS, undefined, { ref: false }).then(() => Promise.reject(failed('was not ready in 60 s'))),
  ])
}

/** A port that was free a moment ago. */
export async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no TCP port')
  return address.port
}

function readyLine(started: NodeProcess): Promise<string> {
  const line = new Promise<string>((resolve) => {
    let text = ''
    const onData = (chunk: string) => {
      text += chunk
      const found = text.split('\n').find((line) => line.startsWith('{') && line.trimEnd().endsWith('}'))
      if (found === undefined) return
      started.child.stdout?.off('data', onData)
      resolve(found)
    }
    started.child.stdout?.on('data', onData)
  })
  return whileAlive(started, line)
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // ESRCH: the whole group has ended already.
  }
}
