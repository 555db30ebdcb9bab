import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { setTimeout as delay } from 'node:timers/promises'
import { appEnvironment } from './app-environment.ts'
import { findFreePort, type NodeProcess, startNode, whileAlive } from './processes.ts'

const POLL_INTERVAL_MS = 10
/** What `npm start` starts it with (scripts/lib/project.mjs). */
const SERVER_FLAGS = ['--max-semi-space-size=4', '--no-allocation-site-pretenuring', '--heap-growing-percent=60']
const SERVER_ENV = { MALLOC_ARENA_MAX: '1' }
const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url))

export interface AppProcess extends NodeProcess {
  readonly baseUrl: string
  /** From the start of the process to its first 200 on `/health/readiness`. */
  readonly readyAfterMs: number
}

/** Starts our built app as `npm start` does, and waits until it is ready. Without `databaseUrl` it brings its own PostgreSQL. */
export async function startApp(options: {
  dataDirectory: string
  databaseUrl?: string
  env?: Record<string, string>
}): Promise<AppProcess & AsyncDisposable> {
  if (!existsSync(MAIN)) throw new Error(`${MAIN} is missing: run \`npm run build\`, or the bench by \`npm run bench\``)
  const port = await findFreePort()
  const baseUrl = `http://127.0.0.1:${port}`
  const startedAt = performance.now()
  const started = await startNode({
    name: 'temponest',
    args: [...SERVER_FLAGS, MAIN],
    env: {
      ...SERVER_ENV,
      ...appEnvironment,
      PORT: String(port),
      HOST: '127.0.0.1',
      DATA_DIR: options.dataDirectory,
      ...(options.databaseUrl === undefined ? {} : { DATABASE_URL: options.databaseUrl }),
      ...options.env,
    },
  })
  try {
    await whileAlive(started, untilReady(baseUrl, started))
  } catch (error) {
    await started[Symbol.asyncDispose]()
    throw error
  }
  return Object.assign(started, { baseUrl, readyAfterMs: performance.now() - startedAt })
}

async function untilReady(baseUrl: string, started: NodeProcess): Promise<void> {
  while (started.child.exitCode === null && started.child.signalCode === null) {
    const response = await fetch(`${baseUrl}/health/readiness`).catch(() => null)
    await response?.body?.cancel()
    if (response?.status === 200) return
    await delay(POLL_INTERVAL_MS)
  }
}
