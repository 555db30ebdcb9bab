import 'reflect-metadata'
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'
import { AppConfig, ConfigError } from '#platform/config/app-config.js'

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
  const server = await bootServer(config)
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      // A second signal is from somebody who does not want to wait.
      process.once(signal, () => process.exit(130))
      void server.drain().then(() => process.exit(0), fail)
    })
  }
} catch (error) {
  fail(error)
}
