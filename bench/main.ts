/**
 * `node bench/main.ts [case…] [--rounds 5] [--seconds 5] [--runs 300] [--minutes 10] [--json file]`: measures us against the peers.
 * Exit code 1 when a case broke or saw an error; a missed target is only printed, since machines differ.
 */
import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import type { BenchCase, BenchContext, BenchOptions, CaseResult } from './support/bench-case.ts'
import { releaseAll } from './support/cleanup.ts'
import { ensureInstalled } from './support/install.ts'
import { describeMachine } from './support/machine.ts'
import { formatResult } from './support/report.ts'

// Imported when they run: the install comes first.
const CASES: Record<string, () => Promise<{ run: BenchCase }>> = {
  'get-run': () => import('./cases/get-run.ts'),
  'run-overhead': () => import('./cases/run-overhead.ts'),
  'budget-overhead': () => import('./cases/budget-overhead.ts'),
  'runs-at-16': () => import('./cases/runs-at-16.ts'),
  'first-token': () => import('./cases/first-token.ts'),
  'cached-run': () => import('./cases/cached-run.ts'),
  'replica-streams': () => import('./cases/replica-streams.ts'),
  'concurrent-runs': () => import('./cases/concurrent-runs.ts'),
  login: () => import('./cases/login.ts'),
  'principal-check': () => import('./cases/principal-check.ts'),
  'db-monitor': () => import('./cases/db-monitor.ts'),
  start: () => import('./cases/start.ts'),
  memory: () => import('./cases/memory.ts'),
  'open-streams': () => import('./cases/open-streams.ts'),
  'webhook-latency': () => import('./cases/webhook-latency.ts'),
  'webhook-throughput': () => import('./cases/webhook-throughput.ts'),
  'webhook-isolation': () => import('./cases/webhook-isolation.ts'),
  'webhook-retries': () => import('./cases/webhook-retries.ts'),
  'schedule-burst': () => import('./cases/schedule-burst.ts'),
  'schedule-idle': () => import('./cases/schedule-idle.ts'),
  dashboard: () => import('./cases/dashboard.ts'),
  'cost-export': () => import('./cases/cost-export.ts'),
  'schedule-chaos': () => import('./cases/schedule-chaos.ts'),
}
/** Only when they are named. */
const LONG: ReadonlySet<string> = new Set(['schedule-chaos'])

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  process.once(signal, () => void releaseAll().finally(() => process.exit(code)))
}

const { values, positionals } = readArguments()
const options: BenchOptions = {
  rounds: positiveInteger('rounds', values.rounds),
  seconds: positiveInteger('seconds', values.seconds),
  runs: positiveInteger('runs', values.runs),
  minutes: positiveInteger('minutes', values.minutes),
}
const names = positionals.length > 0 ? positionals : Object.keys(CASES).filter((name) => !LONG.has(name))
const unknown = names.filter((name) => !Object.hasOwn(CASES, name))
if (unknown.length > 0) fail(`unknown case ${unknown.join(', ')}; there are ${Object.keys(CASES).join(', ')}`)

ensureInstalled()
const machine = describeMachine()
console.log(
  `${machine.cpuModel}, ${machine.cores} cores, ${machine.memoryGib} GiB, Node ${machine.node}, commit ${machine.commit}\n`,
)

const results: Record<string, CaseResult | { failed: string }> = {}
const context = createContext()
for (const name of names) {
  results[name] = await runCase(name, context).catch((error: unknown) => ({ failed: String(error) }))
  const result = results[name]
  console.log('failed' in result ? `## ${name}\n\nFAILED ${result.failed}\n` : formatResult(name, result))
}
await releaseAll()

if (values.json !== undefined) {
  await writeFile(values.json, `${JSON.stringify({ machine, options, results }, null, 2)}\n`)
}
const broken = Object.values(results).some((result) => 'failed' in result || result.errors > 0)
process.exitCode = broken ? 1 : 0

async function runCase(name: string, context: BenchContext): Promise<CaseResult> {
  const { run } = await CASES[name]!()
  return run(context)
}

function createContext(): BenchContext {
  let opened: ReturnType<BenchContext['postgres']> | undefined
  return {
    options,
    postgres: () => (opened ??= import('./support/postgres.ts').then(({ openPostgres }) => openPostgres())),
  }
}

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        rounds: { type: 'string', default: '5' },
        seconds: { type: 'string', default: '5' },
        runs: { type: 'string', default: '300' },
        minutes: { type: 'string', default: '10' },
        json: { type: 'string' },
      },
    })
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error))
  }
}

function positiveInteger(name: string, text: string): number {
  const value = Number(text)
  return Number.isInteger(value) && value > 0 ? value : fail(`--${name} takes a positive whole number, not ${text}`)
}

function fail(message: string): never {
  console.error(message)
  process.exit(2)
}
