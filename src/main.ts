import 'reflect-metadata'
import { AppConfig, ConfigError } from '#platform/config/app-config.js'
import { DatabaseUnusableError } from '#platform/database/provision.js'
import { bootServer } from './server.js'

/** What the operator can mend gets one line; what he cannot, a stack trace. */
function fail(error: unknown): never {
  const isOperators = error instanceof ConfigError || error instanceof DatabaseUnusableError
  process.stderr.write(
    `temponest: ${isOperators ? error.message : error instanceof Error ? error.stack : String(error)}\n`,
  )
  process.exit(1)
}

try {
  const server = await bootServer(AppConfig.fromProcess())
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
