import { createServer } from 'node:net'
import { ConfigError } from '../config/config-error.js'

/**
 * Finds out early whether the address can be listened on, before a database is started for nothing.
 * @throws ConfigError naming the setting to change
 */
export async function assertPortIsFree({ host, port }: { host: string; port: number }): Promise<void> {
  const server = createServer()
  try {
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve))
  } catch (cause) {
    throw listenError(cause, { host, port })
  }
  await new Promise((resolve) => server.close(resolve))
}

/** Words a failed `listen` as a setting to change. */
export function listenError(cause: unknown, { host, port }: { host: string; port: number }): ConfigError {
  const { code, message } = cause as NodeJS.ErrnoException
  if (code === 'EADDRINUSE') {
    return new ConfigError(`PORT: ${port} is in use on ${host}: stop what listens there, or choose another`)
  }
  if (code === 'EACCES') {
    return new ConfigError(`PORT: this user may not listen on ${port}: choose one above 1023`)
  }
  return new ConfigError(`HOST: cannot listen on ${host}:${port}: ${message}`)
}
