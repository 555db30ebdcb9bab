// Runs under whatever Node the machine has, with nothing installed: only node: imports, and syntax that Node 18 reads.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../..', import.meta.url))
const bin = join(root, 'node_modules', '.bin')
/** The runtime of the project, a dev dependency: Node 24, whatever the machine has. */
export const node = join(root, 'node_modules', 'node', 'bin', 'node')
/** The project's programs come first: `node` means Node 24 from here on. */
export const env = { ...process.env, PATH: `${bin}${delimiter}${process.env['PATH'] ?? ''}` }

const INSTALLED_STAMP = join(root, 'node_modules', '.temponest-lock-hash')
const BUILD_INPUTS = ['src', 'package.json', 'package-lock.json', 'tsconfig.json', 'nest-cli.json', '.swcrc']

/**
 * How the server is started everywhere (Dockerfile and bench say the same): a young generation of 4 MiB a half instead of
 * 32 saves some 40 MiB of memory that fills up with garbage, at no throughput that could be measured. And nothing is allocated
 * as old on the guess that it will live long: V8 guessed so of what an export makes, and let the heap grow to four times of what lives.
 * It grows by 60 % at most from one full collection to the next: a thousand runs at once took 370 MiB, and take 290.
 */
export const serverArgs = [
  '--max-semi-space-size=4',
  '--no-allocation-site-pretenuring',
  '--heap-growing-percent=60',
  join(root, 'dist', 'main.js'),
]
/** glibc gives each thread an arena of its own, most of which stays empty and resident: one for all saves some 50 MiB under load. (The image has musl.) */
export const serverEnv = { MALLOC_ARENA_MAX: '1' }

/** Installs exactly what package-lock.json says, unless that has been done. */
export function ensureInstalled() {
  const lockHash = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex')
  if (existsSync(node) && existsSync(INSTALLED_STAMP) && readFileSync(INSTALLED_STAMP, 'utf8') === lockHash) return
  say('installing dependencies (npm ci) …')
  // An install that was interrupted can leave a node_modules that npm cannot clear in one go.
  rmSync(join(root, 'node_modules'), { recursive: true, force: true })
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'])
  writeFileSync(INSTALLED_STAMP, lockHash)
}

/** Compiles src/ to dist/, unless dist/ is newer than every source. */
export function ensureBuilt() {
  const built = join(root, 'dist', 'main.js')
  if (existsSync(built) && statSync(built).mtimeMs >= newest(BUILD_INPUTS.map((name) => join(root, name)))) return
  say('building …')
  run(join(bin, 'nest'), ['build'], { quiet: true })
}

/** Runs a program to its end; ends this process with its code when it fails. */
export function run(program, args, { quiet = false } = {}) {
  const result = spawnSync(program, args, { cwd: root, env, stdio: quiet ? 'pipe' : 'inherit', encoding: 'utf8' })
  if (result.status === 0) return
  if (quiet) process.stderr.write(`${result.stdout ?? ''}${result.stderr ?? ''}`)
  if (result.error) say(`${program}: ${result.error.message}`)
  process.exit(result.status ?? 1)
}

/** Becomes a Node 24 program: its output, its signals, its exit code. */
export function become(args, extraEnv = {}) {
  const child = spawn(node, args, { cwd: process.cwd(), env: { ...env, ...extraEnv }, stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 143)))
}

export function say(text) {
  process.stderr.write(`temponest: ${text}\n`)
}

function newest(paths) {
  return Math.max(
    ...paths.map((path) => {
      const stat = statSync(path)
      if (!stat.isDirectory()) return stat.mtimeMs
      return newest(readdirSync(path).map((name) => join(path, name)))
    }),
  )
}
