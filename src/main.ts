import 'reflect-metadata'
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'
import { AppConfig } from '#platform/config/app-config.js'
import { ConfigError } from '#platform/config/config-error.js'

/** Ctrl-C reaches all of the terminal's processes, and npm and `scripts/start.mjs` pass it on: one signal comes several times. */
const SAME_SIGNAL_MS = 1000

/** What the operator can mend gets one line; what he cannot, a stack trace. */
function fail(error: unknown): never {
  const isOperators = error instanceof ConfigError
  const text = isOperators ? error.message : error instanceof Error ? error.stack : String(error)
  process.stderr.write(`temponest: ${text}\n`)
  process.exit(1)
}

try {
  const config = AppConfig.fromProcess()
  // Before the bulk of the code is loaded: the next start takes it compiled from here.
  enableCompileCache(join(config.dataDir, 'compile-cache'))
  const { bootServer } = await import('./server.js')
  const starting = bootServer(config)
  let stoppedAt: number | undefined
  const stop = (): void => {
    // A second signal, and no echo of the first, is from somebody who does not want to wait.
    if (stoppedAt !== undefined && Date.now() - stoppedAt > SAME_SIGNAL_MS) process.exit(130)
    if (stoppedAt !== undefined) return
    stoppedAt = Date.now()
    // Before the server is up, too: a database that is being started must not be left behind.
    void starting.then((server) => server.drain()).then(() => process.exit(0), fail)
  }
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, stop)
  await starting
} catch (error) {
  fail(error)
}
