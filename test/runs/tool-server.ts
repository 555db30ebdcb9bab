import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setImmediate } from 'node:timers/promises'

/** A request as it came. */
export interface ToolRequest {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

type Answer = (request: ToolRequest, response: ServerResponse) => void

const OK: Answer = ({ path }, response) =>
  void response.writeHead(200, { 'content-type': 'text/plain' }).end(`Answer to ${path}`)

/** A real HTTP server on 127.0.0.1 that tools can reach, and that notes what it is asked. */
export class ToolServer implements AsyncDisposable {
  requests: ToolRequest[] = []
  private answer: Answer = OK
  private readonly http = createServer((request, response) => {
    void (async () => {
      let body = ''
      for await (const chunk of request) body += String(chunk)
      const { method = '', url = '', headers } = request
      const received = { method, path: url, headers, body }
      this.requests.push(received)
      this.answer(received, response)
    })()
  })

  static async start(): Promise<ToolServer> {
    const server = new ToolServer()
    await once(server.http.listen(0, '127.0.0.1'), 'listening')
    return server
  }

  /** As an agent's `hosts` name it. */
  get host(): string {
    return `127.0.0.1:${(this.http.address() as AddressInfo).port}`
  }

  url(path: string): string {
    return `http://${this.host}${path}`
  }

  reset(answer: Answer = OK): void {
    this.requests = []
    this.answer = answer
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.http, 'close')
    this.http.close()
    this.http.closeAllConnections()
    await closed
    // Sockets that were cut off are told so in the next turn.
    await setImmediate()
  }
}
