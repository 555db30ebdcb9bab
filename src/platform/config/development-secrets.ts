import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Secrets generated on first use and kept under the data directory, readable by their owner only. */
export class DevelopmentSecrets {
  constructor(private readonly dataDir: string) {}

  /** The named secret, base64url, made from `bytes` random bytes the first time. Safe to race: the first writer wins. */
  getOrCreate(name: string, bytes: number): string {
    const folder = join(this.dataDir, 'secrets')
    const file = join(folder, name)
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    try {
      writeFileSync(file, randomBytes(bytes).toString('base64url'), { flag: 'wx', mode: 0o600 })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    return readFileSync(file, 'utf8')
  }
}
