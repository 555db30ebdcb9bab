import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { Webhook } from 'standardwebhooks'
import { eventually } from './eventually.js'

/** Lets an app send webhooks to receivers of this machine. */
export const REACH_RECEIVERS = { OUTBOUND_ALLOWED_CIDRS: '127.0.0.0/8' }

/** A request as it came, byte by byte. */
export interface ReceivedWebhook {
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** On the clock of `performance.now()`. */
  readonly atMs: number
}

type Answer = (response: ServerResponse, webhook: ReceivedWebhook) => void

const OK: Answer = (response) => void response.writeHead(204).end()

/** A real HTTP server that takes webhooks, notes them, and answers as the test says. */
export class WebhookReceiver implements AsyncDisposable {
  readonly received: ReceivedWebhook[] = []
  answer: Answer = OK

  private constructor(private readonly server: Server) {}

  static async start(answer: Answer = OK): Promise<WebhookReceiver> {
    const server = createServer((request, response) => void receiver.take(request, response))
    const receiver = new WebhookReceiver(server)
    receiver.answer = answer
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return receiver
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/hook`
  }

  /** What came until there was as much as this. */
  async waitFor(count: number): Promise<readonly ReceivedWebhook[]> {
    await eventually(() => this.received.length >= count)
    return this.received
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections()
    this.server.close()
    await once(this.server, 'close')
  }

  private async take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const atMs = performance.now()
    const body = await text(request)
    const webhook = { path: request.url ?? '', headers: request.headers as Record<string, string>, body, atMs }
    this.received.push(webhook)
    this.answer(response, webhook)
  }
}

/** The body, as the official library has verified it. @throws WebhookVerificationError */
export function verified({ body, headers }: ReceivedWebhook, secret: string): Record<string, unknown> {
  return new Webhook(secret).verify(body, { ...headers }) as Record<string, unknown>
}
