import { execFileSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'

const BENCH = join(import.meta.dirname, '..')

/** Installs the bench's own packages when they are missing or older than its lock file. */
export function ensureInstalled(): void {
  const installedAt = modifiedAt(join(BENCH, 'node_modules/.package-lock.json'))
  if (installedAt >= modifiedAt(join(BENCH, 'package-lock.json'))) return
  console.log("Installing the bench's own packages (npm ci in bench/) …")
  // This Node first: npm runs under whichever `node` the path names.
  const PATH = [dirname(process.execPath), process.env['PATH'] ?? ''].join(delimiter)
  execFileSync('npm', ['ci', '--no-audit', '--no-fund'], {
    cwd: BENCH,
    env: { ...process.env, PATH },
    stdio: 'inherit',
  })
}

function modifiedAt(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
}
