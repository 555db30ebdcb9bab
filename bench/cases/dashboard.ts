/** What a tenant with half a million runs waits for: its dashboard, lists and reports, beside 49 tenants with as many together. */
import { registerClient } from '../support/api-client.ts'
import { startApp } from '../support/app-process.ts'
import type { BenchCase, Check } from '../support/bench-case.ts'
import { PROJECTS, plantMillionRuns, RUNS, userOf } from '../support/million-runs.ts'
import { type Answers, askTimes, pageAfter, type Question } from '../support/one-at-a-time.ts'
import { createTemporaryDirectory } from '../support/temporary-directory.ts'

const MAX_PLANTING_SECONDS = 120
const DAY_MS = 86_400_000
const RUNS_PER_PAGE = 20
/** So that the big tenant's are a thousand pages. */
const PROJECTS_PER_PAGE = PROJECTS / 2 / 1000
const LAST_ROW_OF_PROJECT = 80

interface Measured extends Question {
  /** Of p95; absent: only shown. */
  readonly maxP95Ms?: number
}

export const run: BenchCase = async ({ options, postgres }) => {
  const server = await postgres()
  await using database = await server.createDatabase()
  await using directory = await createTemporaryDirectory()
  await using app = await startApp({ dataDirectory: directory.path, databaseUrl: database.url })
  const client = await registerClient(app.baseUrl)
  const userId = await userOf(database.url, client.tenantId)
  const plantedMs = await plantMillionRuns(database.url, { tenantId: client.tenantId, userId })

  const results: (Measured & Answers)[] = []
  for (const question of await questions(app.baseUrl, client.headers)) {
    results.push({ ...question, ...(await askTimes(question, options.runs)) })
  }
  return {
    table: results.map(({ what, p50Ms, p95Ms, maxMs, status, errors }) => ({
      request: what,
      'p50 ms': p50Ms.toFixed(1),
      'p95 ms': p95Ms.toFixed(1),
      'max ms': maxMs.toFixed(1),
      status,
      errors,
    })),
    checks: [checkPlanting(plantedMs), ...results.flatMap(checkOf)],
    notes: [`${RUNS} runs with a cost entry each, ${PROJECTS} projects; ${options.runs} requests each, one at a time`],
    errors: results.reduce((sum, { errors }) => sum + errors, 0),
    measurements: {
      plantedMs,
      results: results.map(({ what, p50Ms, p95Ms, maxMs }) => ({ what, p50Ms, p95Ms, maxMs })),
    },
  }
}

async function questions(baseUrl: string, headers: Record<string, string>): Promise<Measured[]> {
  const uncached = { ...headers, 'cache-control': 'no-store' }
  const now = Date.now()
  const day = (ago: number): string => new Date(now - ago * DAY_MS).toISOString()
  const runs = `${baseUrl}/v1/runs?limit=${RUNS_PER_PAGE}`
  // The first project that was planted is the big tenant's.
  const ofProject = `${runs}&project=project-0`
  const projects = `${baseUrl}/v1/projects?limit=${PROJECTS_PER_PAGE}`
  const thousandth = (list: string, perPage: number) => pageAfter(list, 999 * perPage, headers)
  const metrics = `${baseUrl}/v1/metrics`
  const month = new URLSearchParams({ from: day(30), to: day(0), groupBy: 'agent,model' })
  const week = new URLSearchParams({ from: day(7), to: day(0) })
  return [
    { what: 'dashboard, made anew', url: `${metrics}/dashboard`, headers: uncached, maxP95Ms: 50 },
    { what: 'dashboard, kept', url: `${metrics}/dashboard`, headers, maxP95Ms: 5 },
    { what: 'projects, page 1', url: projects, headers: uncached, maxP95Ms: 20 },
    {
      what: 'projects, page 1000',
      url: await thousandth(projects, PROJECTS_PER_PAGE),
      headers: uncached,
      maxP95Ms: 20,
    },
    { what: 'runs, page 1', url: runs, headers: uncached, maxP95Ms: 20 },
    { what: 'runs, page 1000', url: await thousandth(runs, RUNS_PER_PAGE), headers: uncached, maxP95Ms: 20 },
    { what: "a project's runs, page 1", url: ofProject, headers: uncached, maxP95Ms: 20 },
    {
      what: "a project's runs, page 5",
      url: await pageAfter(ofProject, LAST_ROW_OF_PROJECT, headers),
      headers: uncached,
      maxP95Ms: 20,
    },
    {
      what: "30 days' costs by agent and model",
      url: `${baseUrl}/v1/costs/summary?${month.toString()}`,
      headers: uncached,
      maxP95Ms: 50,
    },
    { what: 'agents, a week', url: `${metrics}/agents`, headers: uncached },
    { what: 'timeline, a day of hours', url: `${metrics}/timeline`, headers: uncached },
    { what: 'timeline, a week of hours', url: `${metrics}/timeline?${week.toString()}`, headers: uncached },
    { what: 'timeline, 30 days', url: `${metrics}/timeline?bucket=day`, headers: uncached },
  ]
}

function checkPlanting(ms: number): Check {
  const seconds = ms / 1000
  return {
    what: 'planting',
    value: `${seconds.toFixed(0)} s`,
    target: `≤ ${MAX_PLANTING_SECONDS} s`,
    met: seconds <= MAX_PLANTING_SECONDS,
  }
}

function checkOf({ what, p95Ms, maxP95Ms, errors }: Measured & Answers): Check[] {
  if (maxP95Ms === undefined) return []
  return [
    {
      what: `${what}, p95`,
      value: `${p95Ms.toFixed(1)} ms`,
      target: `≤ ${maxP95Ms} ms`,
      met: p95Ms <= maxP95Ms && errors === 0,
    },
  ]
}
