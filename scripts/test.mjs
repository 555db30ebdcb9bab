import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { spawnSync } from 'node:child_process'
import { ensureBuilt, ensureInstalled, env, root, run, say } from './lib/project.mjs'

/** The checks, cheapest first: the first that fails ends the run. */
const CHECKS = ['check:format', 'check:lint', 'check:types', 'check:dependencies', 'check:unused']

/** Tests wait more than they compute: two at once also where there are two cores, of which Jest would leave one idle. */
const WORKERS = Math.max(2, availableParallelism() - 1)

ensureInstalled()
ensureBuilt()
for (const check of CHECKS) {
  say(check)
  run('npm', ['run', '--silent', check])
}

const folder = mkdtempSync(join(tmpdir(), 'temponest-results-'))
const results = join(folder, 'results.json')
const jest = spawnSync(
  join(root, 'node_modules', '.bin', 'jest'),
  ['--json', `--outputFile=${results}`, `--maxWorkers=${WORKERS}`, ...process.argv.slice(2)],
  { cwd: root, env: { ...env, NODE_OPTIONS: '--experimental-vm-modules' }, stdio: ['inherit', 'ignore', 'inherit'] },
)
const { numPassedTests = 0, numFailedTests = 1, numFailedTestSuites = 0 } = readResults()
rmSync(folder, { recursive: true, force: true })
process.stdout.write(`${numPassedTests} passed, ${Math.max(numFailedTests, numFailedTestSuites)} failed\n`)
process.exit(jest.status ?? 1)

function readResults() {
  try {
    return JSON.parse(readFileSync(results, 'utf8'))
  } catch {
    return {}
  }
}
