/** A setting that keeps the process from starting. The message is one line and names the setting. */
export class ConfigError extends Error {
  override readonly name: string = 'ConfigError'
}
