import { setTimeout as sleep } from 'node:timers/promises'
import type { Approval, ApprovalSummary } from '../../src/modules/approvals/approvals.schemas.js'
import type { Run, RunSummary } from '../../src/modules/runs/runs.schemas.js'
import { type Behaviour, ModelSimulator, type RecordedRequest } from '../support/model-simulator.js'
import { createAgent } from '../support/own-agent.js'
import { TestApp } from '../support/test-app.js'
import type { Requester } from '../support/test-api-key.js'
import type { TestDatabase } from '../support/test-database.js'
import { TestUser } from '../support/test-user.js'

const POLL_MS = 15
const WAIT_LIMIT_MS = 15_000
const DONE = new Set(['completed', 'failed', 'cancelled'])

/** One request of an agent's model, read as the agent would. */
export interface Turn {
  readonly task: string
  /** Texts of all tool messages, oldest first. */
  readonly results: readonly string[]
  /** Names of the tools that it is offered. */
  readonly tools: readonly string[]
  /** `max_tokens`, however the dialect calls it. */
  readonly maxTokens: number | undefined
}

/** What an agent says. */
export type Part = (turn: Turn) => Behaviour

interface ChatMessage {
  readonly role: string
  readonly content: unknown
}

/** An entry of a run's log. */
export interface LogEntry {
  readonly sequence: number
  readonly type: string
  readonly data: Record<string, unknown>
}

interface RunLabOptions {
  readonly env?: Record<string, string>
  readonly replicas?: number
  /** One that is to outlive the lab. */
  readonly database?: TestDatabase
}

/** Runs through HTTP on replicas of the whole application, with agents whose every word the test has written. */
export class RunLab implements AsyncDisposable {
  private parts: Record<string, Part> = {}

  private constructor(
    readonly simulator: ModelSimulator,
    readonly replicas: readonly [TestApp, ...TestApp[]],
  ) {
    this.direct()
  }

  static async start({ env = {}, replicas = 1, database }: RunLabOptions = {}): Promise<RunLab> {
    const simulator = await ModelSimulator.start()
    const all = {
      OPENAI_BASE_URL: simulator.baseUrl,
      OPENAI_API_KEY: 'test',
      DEFAULT_MODEL: 'openai/gpt-4o-mini',
      OUTBOUND_ALLOWED_CIDRS: '127.0.0.1/32',
      // The shortest: a lost run is found within the two seconds of the sweep.
      RUN_LEASE_MS: '1000',
      ...env,
    }
    const first = await TestApp.start({ env: all, ...(database && { database }) })
    const others: TestApp[] = []
    while (others.length < replicas - 1) others.push(await TestApp.start({ env: all, database: first.database }))
    return new RunLab(simulator, [first, ...others])
  }

  get app(): TestApp {
    return this.replicas[0]
  }

  user(): Promise<TestUser> {
    return TestUser.register(this.app)
  }

  /** Who says what, by slug; `overseer` and its like are cast the same way. Whoever is not cast echoes. */
  cast(parts: Record<string, Part>): void {
    this.simulator.reset()
    this.parts = parts
    this.direct()
  }

  /** Requests of one agent's model, oldest first. */
  requestsOf(slug: string): RecordedRequest[] {
    return this.simulator.requests.filter((request) => speakerOf(request.body) === slug)
  }

  turnsOf(slug: string): Turn[] {
    return this.requestsOf(slug).map(({ body }) => toTurn(body))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const replica of this.replicas.toReversed()) await replica[Symbol.asyncDispose]()
    await this.simulator.stop()
  }

  private direct(): void {
    this.simulator.when(({ body }) => this.parts[speakerOf(body)]?.(toTurn(body)) ?? null)
  }
}

/** An agent of the tenant's own that {@link RunLab.cast} can give words to. */
export async function addAgent(owner: Requester, slug: string, fields: object = {}): Promise<void> {
  const response = await createAgent(owner, { slug, name: slug, instructions: `You are ${slug}.`, ...fields })
  if (response.statusCode !== 201) throw new Error(`making an agent failed: ${response.body}`)
}

/** The same user on another replica. */
export function at(app: TestApp, { accessToken }: TestUser): Requester {
  return {
    request: (options) =>
      app.inject({ ...options, headers: { authorization: `Bearer ${accessToken}`, ...options.headers } }),
  }
}

/** Starts a run and does not wait for it. @returns its id */
export async function begin(user: TestUser, agent: string, payload: object = {}): Promise<string> {
  const response = await user.run({ task: 'Go.', ...payload }, { agent, prefer: 'respond-async' })
  if (response.statusCode !== 202) throw new Error(`starting a run failed: ${response.body}`)
  return response.json().id
}

/** Starts a run, and gives it when it has ended. */
export async function runToEnd(user: TestUser, agent: string, payload: object = {}): Promise<Run> {
  return whenDone(user, await begin(user, agent, payload))
}

export async function getRun(user: Requester, id: string): Promise<Run> {
  const response = await user.request({ url: `/v1/runs/${id}` })
  if (response.statusCode !== 200) throw new Error(`getting a run failed: ${response.body}`)
  return response.json()
}

export async function whenDone(user: Requester, id: string): Promise<Run> {
  return until(
    () => getRun(user, id),
    ({ status }) => DONE.has(status),
  )
}

export async function whenWaiting(user: Requester, id: string): Promise<Run> {
  return until(
    () => getRun(user, id),
    ({ status }) => status === 'waiting_approval',
  )
}

/** Oldest first. */
export async function childrenOf(user: Requester, parentRunId: string): Promise<RunSummary[]> {
  const response = await user.request({ url: `/v1/runs?limit=100&parentRunId=${parentRunId}` })
  return response.json().data.toReversed()
}

export async function logOf(user: Requester, id: string): Promise<LogEntry[]> {
  const response = await user.request({ url: `/v1/runs/${id}/logs?limit=100` })
  return response.json().data
}

export async function approvalsOf(user: Requester, runId: string, status = 'pending'): Promise<ApprovalSummary[]> {
  const response = await user.request({ url: `/v1/approvals?runId=${runId}&status=${status}` })
  return response.json().data
}

/** The first child of a run, once it waits for a person. */
export async function whenChildWaits(user: Requester, parentRunId: string): Promise<RunSummary> {
  const children = await until(
    () => childrenOf(user, parentRunId),
    ([child]) => child?.status === 'waiting_approval',
  )
  return children[0] as RunSummary
}

/** The only approval that the run waits for, once it waits, with what is asked. */
export async function whenAsked(user: Requester, runId: string): Promise<Approval> {
  await whenWaiting(user, runId)
  const [summary, ...others] = await approvalsOf(user, runId)
  if (!summary || others.length > 0) throw new Error(`${others.length + (summary ? 1 : 0)} approvals, not one`)
  return (await user.request({ url: `/v1/approvals/${summary.id}` })).json()
}

/** @throws Error when it is not so within {@link WAIT_LIMIT_MS} */
export async function until<T>(look: () => T | Promise<T>, isMet: (seen: T) => boolean): Promise<T> {
  const deadline = Date.now() + WAIT_LIMIT_MS
  for (;;) {
    const seen = await look()
    if (isMet(seen)) return seen
    if (Date.now() > deadline) throw new Error(`waited in vain; the last that was seen: ${JSON.stringify(seen)}`)
    await sleep(POLL_MS)
  }
}

/** The worker of this run falls silent: whatever it writes from now on comes too late, and the sweep finds the run. */
export async function loseLease(app: TestApp, runId: string): Promise<void> {
  await app.sql(
    `UPDATE runs SET fencing_number = fencing_number + 1, lease_expires_at = now() - interval '1 s' WHERE id = $1`,
    [runId],
  )
}

function speakerOf(body: Readonly<Record<string, unknown>>): string {
  const system = messagesOf(body).find(({ role }) => role === 'system')
  const name = /You are (?:the )?([\w -]+?)(?:\.| agent)/.exec(String(system?.content))?.[1] ?? 'nobody'
  return name.toLowerCase().replaceAll(' ', '-')
}

function toTurn(body: Readonly<Record<string, unknown>>): Turn {
  const messages = messagesOf(body)
  const tools = (body['tools'] ?? []) as readonly { function: { name: string } }[]
  return {
    task: textOf(messages.findLast(({ role }) => role === 'user')?.content),
    results: messages.filter(({ role }) => role === 'tool').map(({ content }) => textOf(content)),
    tools: tools.map((tool) => tool.function.name),
    maxTokens: (body['max_tokens'] ?? body['max_completion_tokens']) as number | undefined,
  }
}

function messagesOf(body: Readonly<Record<string, unknown>>): readonly ChatMessage[] {
  return (body['messages'] ?? []) as readonly ChatMessage[]
}

function textOf(content: unknown): string {
  return typeof content === 'string' ? content : JSON.stringify(content)
}
