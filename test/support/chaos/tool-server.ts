import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** One call that has arrived. */
export interface ToolServerCall {
  /** `<runId>-<position of the answer that asked for it>`, which the simulated model puts into the URL. */
  readonly asker: string
  readonly method: string
  readonly idempotencyKey: string | null
  /** Milliseconds since the epoch. */
  readonly at: number
}

/** A real HTTP server for the agents' tools, with a log of its own of every call that ever reached it. */
export class ToolServer implements AsyncDisposable {
  readonly calls: ToolServerCall[] = []

  private constructor(private readonly server: Server) {}

  static async start(latencyMs: number): Promise<ToolServer> {
    const server = createServer()
    const tools = new ToolServer(server)
    server.on('request', (request, response) => {
      const url = new URL(request.url ?? '/', 'http://tools')
      tools.calls.push({
        asker: url.searchParams.get('asker') ?? '',
        method: request.method ?? '',
        idempotencyKey: request.headers['idempotency-key']?.toString() ?? null,
        at: Date.now(),
      })
      void sleep(latencyMs).then(() => response.end('done'))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return tools
  }

  /** As an agent's list of hosts has it. */
  get host(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections()
    await new Promise((resolve) => this.server.close(resolve))
  }
}
