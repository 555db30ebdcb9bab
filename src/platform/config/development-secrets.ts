import { randomBytes } from 'node:crypto'
import { existsSync, linkSync, mkdirSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ConfigError } from './config-error.js'

/** Secrets generated on first use and kept under the data directory, readable by their owner only. */
export class DevelopmentSecrets {
  constructor(private readonly dataDir: string) {}

  /** The named secret, base64url, made from `bytes` random bytes the first time. Safe to race: the first writer wins. */
  getOrCreate(name: string, bytes: number): string {
    const folder = join(this.dataDir, 'secrets')
    const file = join(folder, name)
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 })
      if (!existsSync(file)) writeOnce(file, randomBytes(bytes).toString('base64url'))
      return readFileSync(file, 'utf8')
    } catch (cause) {
      throw new ConfigError(`DATA_DIR: cannot keep ${name} in ${folder}: ${(cause as Error).message}`, { cause })
    }
  }
}

/** Creates the file whole or not at all: who comes second, or dies half-way, leaves the first one's. */
function writeOnce(file: string, content: string): void {
  const draft = `${file}.${process.pid}`
  writeFileSync(draft, content, { mode: 0o600 })
  try {
    linkSync(draft, file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    unlinkSync(draft)
  }
}
