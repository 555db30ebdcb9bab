/** Runs and cost entries as lines of COPY's text format: the same ones each time, and such as a busy team's would be. */
import { createHash } from 'node:crypto'
import { costOf, MODELS } from './priced-models.ts'

/** Whose runs they are. */
export interface RunOwner {
  readonly tenantId: string
  readonly projectIds: readonly string[]
  readonly userIds: readonly string[]
  readonly apiKeyIds: readonly string[]
}

export interface RowsOptions {
  readonly from: Date
  readonly to: Date
  /** Of all owners together, spread evenly over the time. */
  readonly count: number
  /** Whose the nth run is, and its how manyth. */
  readonly ownerOf: (nth: number) => { readonly owner: RunOwner; readonly place: number }
}

export const RUN_COLUMNS = `tenant_id, id, root_run_id, project_id, agent, agent_version, status, task, model, input, output, error_code,
  error_detail, input_tokens, cached_input_tokens, output_tokens, reasoning_tokens, cost_usd, cache, attempt, user_id, api_key_id,
  metadata, created_at, started_at, finished_at, steps, last_event`
export const ENTRY_COLUMNS = `tenant_id, id, run_id, step, project_id, agent, model, user_id, api_key_id, input_tokens,
  cached_input_tokens, output_tokens, reasoning_tokens, input_usd_per_million, cached_input_usd_per_million, output_usd_per_million,
  cost_usd, created_at`

const AGENTS = ['overseer', 'developer', 'qa-tester', 'devops', 'designer', 'security-auditor', 'ux-researcher']
const STATUSES = [...Array<string>(23).fill('completed'), 'failed', 'failed', 'cancelled']
const TASK = 'Look at the change, say what it breaks, and write the test that would have shown it. Module '
const OUTPUT =
  'The change moves the check behind the write, so that two requests at once both pass it. The test starts them together and counts the rows. '
const OUTPUT_REPETITIONS = 5
const NONE = '\\N'

interface PlantedRun {
  readonly createdMs: number
  readonly startedMs: number
  readonly finishedMs: number
  readonly id: string
  readonly nth: number
  readonly owner: RunOwner
  readonly projectId: string
  readonly random: Buffer
}

export function* runLines(options: RowsOptions): Generator<string> {
  for (const run of plantedRuns(options)) yield runLine(run)
}

export function* entryLines(options: RowsOptions): Generator<string> {
  for (const run of plantedRuns(options)) yield entryLine(run)
}

function* plantedRuns({ from, to, count, ownerOf }: RowsOptions): Generator<PlantedRun> {
  const stepMs = (to.getTime() - from.getTime()) / count
  for (let nth = 0; nth < count; nth++) {
    const random = createHash('md5').update(String(nth)).digest()
    const createdMs = Math.floor(from.getTime() + (nth + random[0]! / 256) * stepMs)
    const { owner, place } = ownerOf(nth)
    const startedMs = createdMs + random[1]!
    yield {
      createdMs,
      startedMs,
      // From half a second to over two minutes, most of them a few seconds.
      finishedMs: startedMs + 500 + Math.round(random[2]! ** 2 * (random[3]! / 128)),
      id: uuidAt(createdMs, random),
      nth,
      owner,
      projectId: owner.projectIds[place % owner.projectIds.length]!,
      random,
    }
  }
}

function runLine(run: PlantedRun): string {
  const { owner, id, nth, createdMs, startedMs, finishedMs } = run
  const { agent, model, userId, apiKeyId, usage, costUsd } = factsOf(run)
  const status = pick(run, 4, STATUSES)
  const output =
    status === 'completed'
      ? `{"text": "${OUTPUT.repeat(OUTPUT_REPETITIONS)}${nth}", "data": null, "citations": []}`
      : NONE
  const error = status === 'failed' ? ['model_failed', 'The model answered 500 three times.'] : [NONE, NONE]
  return toLine(
    [owner.tenantId, id, id, run.projectId, agent, 1, status, `${TASK}${nth}.`, model.name, '{}', output, ...error],
    [usage.input, usage.cached, usage.output, 0, costUsd, pick(run, 5, ['off', 'miss', 'hit']), 1, userId, apiKeyId],
    ['{"team": "platform"}', iso(createdMs), iso(startedMs), iso(finishedMs), 1, 6],
  )
}

/** Its id is the run's: each has one. */
function entryLine(run: PlantedRun): string {
  const { agent, model, userId, apiKeyId, usage, costUsd } = factsOf(run)
  const prices = model.prices
  const perMillion = prices
    ? [prices.input, prices.cached, prices.output].map((price) => price / 1000)
    : [NONE, NONE, NONE]
  return toLine(
    [run.owner.tenantId, run.id, run.id, 1, run.projectId, agent, model.name, userId, apiKeyId],
    [usage.input, usage.cached, usage.output, 0, ...perMillion, costUsd, iso(run.finishedMs)],
  )
}

function factsOf(run: PlantedRun) {
  const { owner, random } = run
  const model = pick(run, 6, MODELS)
  const input = 400 + random[7]! * 20 + random[8]!
  const usage = { input, cached: random[9]! < 64 ? Math.floor(input / 2) : 0, output: 50 + random[10]! * 4 }
  return {
    agent: pick(run, 11, AGENTS),
    model,
    userId: pick(run, 12, owner.userIds),
    apiKeyId: random[13]! < 128 ? pick(run, 14, owner.apiKeyIds) : NONE,
    usage,
    costUsd: model.prices === null ? NONE : costOf(usage, model.prices),
  }
}

function pick<T>({ random }: PlantedRun, at: number, values: readonly T[]): T {
  return values[random[at]! % values.length]!
}

/** UUIDv7 (RFC 9562). */
function uuidAt(ms: number, random: Buffer): string {
  const hex = random.toString('hex')
  return [
    ms
      .toString(16)
      .padStart(12, '0')
      .replace(/(.{8})/, '$1-'),
    `7${hex.slice(0, 3)}`,
    `8${hex.slice(3, 6)}`,
    hex.slice(6, 18),
  ].join('-')
}

function iso(ms: number): string {
  return new Date(ms).toISOString()
}

function toLine(...fields: readonly (readonly (string | number)[])[]): string {
  return `${fields.flat().join('\t')}\n`
}
