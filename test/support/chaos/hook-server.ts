import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'

const POLL_MS = 5
const NO_CONTENT = 204

/** One request that has arrived whole. */
export interface Arrival {
  /** Such as `/hooks/3`: which endpoint it is for. */
  readonly path: string
  readonly headers: Record<string, string>
  readonly body: string
  /** Milliseconds since the epoch, with their fraction. */
  readonly at: number
  /** Its 2xx was handed to a connection that was still there. */
  isAnswered: boolean
}

/** A receiver of webhooks that notes down whatever arrives, and can leave it without an answer, or be away. */
export class HookServer implements AsyncDisposable {
  readonly arrivals: Arrival[] = []
  /** How long an answer takes; null: until {@link letGo}. */
  latencyMs: () => number | null = () => 0
  private readonly waiting = new Map<Arrival, ServerResponse>()
  private server: Server | undefined
  private port = 0

  static async start(): Promise<HookServer> {
    const hooks = new HookServer()
    await hooks.open()
    return hooks
  }

  get baseUrl(): string {
    return `http://127.0.0.1:${this.port}`
  }

  /** Listens, where it did before if it did. */
  async open(): Promise<void> {
    this.server = createServer((request, response) => void this.receive(request, response))
    this.server.listen(this.port, '127.0.0.1')
    await once(this.server, 'listening')
    this.port = (this.server.address() as AddressInfo).port
  }

  /** Connections are refused from now on. */
  async close(): Promise<void> {
    const { server } = this
    this.server = undefined
    if (!server) return
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }

  /** Arrivals whose senders still wait for an answer. */
  held(): Arrival[] {
    return [...this.waiting].filter(([, response]) => !response.destroyed).map(([arrival]) => arrival)
  }

  /** Whoever comes from now on is answered at once. */
  letGo(): void {
    this.latencyMs = () => 0
    for (const [arrival, response] of this.waiting) answer(arrival, response)
    this.waiting.clear()
  }

  /** @throws Error when it does not come to that */
  async until(isMet: () => boolean, limitMs: number): Promise<void> {
    const deadline = Date.now() + limitMs
    while (!isMet()) {
      if (Date.now() > deadline)
        throw new Error(`waited in vain: ${this.arrivals.length} arrivals, ${this.held().length} held`)
      await sleep(POLL_MS)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  private async receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // A sender that dies in the middle of its request has told nothing.
    const body = await buffer(request).catch(() => null)
    if (body === null) return
    const at = performance.timeOrigin + performance.now()
    const headers = request.headers as Record<string, string>
    const arrival = { path: request.url ?? '', headers, body: body.toString(), at, isAnswered: false }
    this.arrivals.push(arrival)
    const latencyMs = this.latencyMs()
    if (latencyMs === null) {
      this.waiting.set(arrival, response)
      return
    }
    if (latencyMs > 0) await sleep(latencyMs)
    answer(arrival, response)
  }
}

function answer(arrival: Arrival, response: ServerResponse): void {
  arrival.isAnswered = !response.destroyed
  response.writeHead(NO_CONTENT).end()
}
