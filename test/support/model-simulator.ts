import type { Server } from 'node:http'
import type { Behaviour } from './model-simulator/behaviour.ts'
import { Conditions } from './model-simulator/conditions.ts'
import { type Arrival, createSimulatorServer } from './model-simulator/http-server.ts'
import { RecordedRequest, type SimulatedRequest } from './model-simulator/request.ts'
import { addUsage, NO_USAGE, type Usage } from './model-simulator/usage.ts'

export type { Behaviour, RecordedRequest, Usage }

export interface SimulatorOptions extends Behaviour {
  /** Any free port when 0. */
  readonly port?: number
  /** How many requests are kept, the latest; totals count all. */
  readonly recordLimit?: number
}

/** Sums over all requests since the start or the last `reset()`. */
export interface SimulatorTotals extends Usage {
  readonly requests: number
}

type Rule = (request: SimulatedRequest) => Behaviour | null

const DEFAULT_RECORD_LIMIT = 10_000

/**
 * A real HTTP server on 127.0.0.1 that speaks OpenAI's chat completions and Anthropic's messages, JSON and SSE.
 * A request is answered by what is set when it arrives: `set()`, over that `when()`, over that the head of `next()`.
 */
export class ModelSimulator {
  readonly #server: Server
  readonly #initial: Behaviour
  readonly #recordLimit: number
  readonly #conditions = new Conditions()
  #port = 0
  #always: Behaviour
  #rule: Rule = () => null
  #queue: Behaviour[] = []
  #requests: RecordedRequest[] = []
  #totals = { requests: 0, ...NO_USAGE }

  private constructor({ recordLimit = DEFAULT_RECORD_LIMIT, ...behaviour }: Omit<SimulatorOptions, 'port'>) {
    this.#initial = behaviour
    this.#always = behaviour
    this.#recordLimit = recordLimit
    this.#server = createSimulatorServer((arrival) => this.#accept(arrival))
  }

  static async start({ port = 0, ...options }: SimulatorOptions = {}): Promise<ModelSimulator> {
    const simulator = new ModelSimulator(options)
    await simulator.#listen(port)
    return simulator
  }

  /** `http://127.0.0.1:<port>/v1`: the base URL of OpenAI's clients and of the AI SDK's Anthropic provider alike. */
  get baseUrl(): string {
    return `http://127.0.0.1:${this.#port}/v1`
  }

  /** The latest requests for completions, oldest first. */
  get requests(): readonly RecordedRequest[] {
    return this.#requests
  }

  /** Usage counts when the client is told of it: the sums are what clients can know that they were billed. */
  get totals(): SimulatorTotals {
    return this.#totals
  }

  /** Changes how requests are answered from now on, on top of what was set before. */
  set(behaviour: Behaviour): this {
    this.#always = { ...this.#always, ...behaviour }
    return this
  }

  reply(reply: NonNullable<Behaviour['reply']>): this {
    return this.set({ reply })
  }

  /** A behaviour that depends on the request, or null for none; replaces the rule before it. */
  when(rule: Rule): this {
    this.#rule = rule
    return this
  }

  /** Queues a behaviour for that many requests to come, one each, in order of arrival. */
  next(behaviour: Behaviour, times = 1): this {
    this.#queue.push(...Array.from({ length: times }, () => behaviour))
    return this
  }

  /** Resolves once that many requests have arrived since the last reset. @throws Error when they do not in time. */
  async received(count: number, { timeoutMs }: { timeoutMs?: number } = {}): Promise<void> {
    const describe = () => `only ${this.#totals.requests} of ${count} requests had arrived`
    await this.#conditions.until(() => this.#totals.requests >= count, describe, timeoutMs)
  }

  /** Resolves once no recorded request is pending. @throws Error when some still are in the end. */
  async settled({ timeoutMs }: { timeoutMs?: number } = {}): Promise<void> {
    const pending = () => this.#requests.filter(({ outcome }) => outcome === 'pending').length
    await this.#conditions.until(
      () => pending() === 0,
      () => `${pending()} requests were still pending`,
      timeoutMs,
    )
  }

  /** Back to how it was started. Requests that are still being answered are forgotten. */
  reset(): void {
    this.#always = this.#initial
    this.#rule = () => null
    this.#queue = []
    this.#requests = []
    this.#totals = { requests: 0, ...NO_USAGE }
  }

  /** Closes every connection, hanging ones too. */
  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.#server.closeAllConnections()
    await closed
  }

  #accept(arrival: Arrival) {
    // Kept by the request: what it reports after a reset must not count in the new totals.
    const totals = this.#totals
    totals.requests += 1
    const record = new RecordedRequest({ id: totals.requests, ...arrival })
    this.#requests.push(record)
    if (this.#requests.length > this.#recordLimit) this.#requests.shift()
    const report = (usage: Partial<Usage>) => {
      record.usage = addUsage(record.usage ?? NO_USAGE, usage)
      Object.assign(totals, addUsage(totals, usage))
    }
    const behaviour = { ...this.#always, ...this.#rule(record), ...this.#queue.shift() }
    this.#conditions.check()
    return { record, behaviour, report, onClose: () => this.#conditions.check() }
  }

  #listen(port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(port, '127.0.0.1', () => {
        const address = this.#server.address()
        if (typeof address === 'object' && address) this.#port = address.port
        resolve()
      })
    })
  }
}
