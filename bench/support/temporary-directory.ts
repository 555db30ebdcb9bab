import { chmod, glob, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { releasable } from './cleanup.ts'

export interface TemporaryDirectory {
  readonly path: string
}

/** A new directory, removed on release together with any PostgreSQL that still serves from it. */
export async function createTemporaryDirectory(): Promise<TemporaryDirectory & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'temponest-bench-'))
  // Started by root, PostgreSQL runs as the user `postgres`, who must be able to walk in here.
  await chmod(path, 0o755)
  return releasable({ path }, async () => {
    await killPostgresIn(path)
    await rm(path, { recursive: true, force: true, maxRetries: 5 })
  })
}

/** Our app's own PostgreSQL is a daemon: it outlives an app that had to be killed. Its files go, so it need not flush them. */
async function killPostgresIn(directory: string): Promise<void> {
  for await (const file of glob('**/postmaster.pid', { cwd: directory })) {
    const pid = Number((await readFile(join(directory, file), 'utf8')).split('\n')[0])
    try {
      process.kill(pid, 'SIGQUIT')
    } catch {
      // ESRCH: it has ended, only its file is left.
    }
  }
}
