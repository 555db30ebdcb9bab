import { setTimeout as sleep } from 'node:timers/promises'
import type { InjectOptions, LightMyRequestResponse } from 'fastify'
import type { Run } from '../../src/modules/runs/runs.schemas.js'
import type { ModelSimulator } from './model-simulator.js'

const POLL_MS = 20
const WAIT_LIMIT_MS = 15_000
const PAGE = 100

interface Requester {
  request(options: InjectOptions): Promise<LightMyRequestResponse>
}

/** One entry of a run's log, as clients poll it. */
export interface LogEntry {
  readonly sequence: number
  readonly type: string
  readonly data: Record<string, unknown>
}

/** Settings of an app that finds OpenAI and Anthropic in the simulator, and tries nothing twice. */
export function simulatorEnv(simulator: ModelSimulator): Record<string, string> {
  return {
    OPENAI_BASE_URL: simulator.baseUrl,
    OPENAI_API_KEY: 'test',
    ANTHROPIC_BASE_URL: simulator.baseUrl,
    ANTHROPIC_API_KEY: 'test',
    DEFAULT_MODEL: 'openai/gpt-4o-mini',
    MODEL_MAX_RETRIES: '0',
  }
}

export async function getRun(user: Requester, id: string): Promise<Run> {
  const response = await user.request({ url: `/v1/runs/${id}` })
  if (response.statusCode !== 200) throw new Error(`GET run: ${response.body}`)
  return response.json()
}

/** The run once it is so. @throws Error when it is not in time */
export async function whenRun(
  user: Requester,
  id: string,
  isMet: (run: Run) => boolean,
  limitMs = WAIT_LIMIT_MS,
): Promise<Run> {
  const deadline = Date.now() + limitMs
  while (true) {
    const run = await getRun(user, id)
    if (isMet(run)) return run
    if (Date.now() > deadline) throw new Error(`waited in vain: ${JSON.stringify(run)}`)
    await sleep(POLL_MS)
  }
}

/** The run once it has ended, however. */
export function whenFinished(user: Requester, id: string, limitMs?: number): Promise<Run> {
  return whenRun(user, id, ({ finishedAt }) => finishedAt !== null, limitMs)
}

/** Runs that a run has delegated to, the first one first. */
export async function listChildren(user: Requester, id: string): Promise<Run[]> {
  const response = await user.request({ url: `/v1/runs?parentRunId=${id}&limit=${PAGE}` })
  return response.json().data.toReversed()
}

/** The whole log of a run. */
export async function listLog(user: Requester, id: string): Promise<LogEntry[]> {
  const entries: LogEntry[] = []
  while (true) {
    const after = entries.at(-1)?.sequence ?? 0
    const { data } = (await user.request({ url: `/v1/runs/${id}/logs?limit=${PAGE}&after=${after}` })).json()
    entries.push(...data)
    if (data.length < PAGE) return entries
  }
}
