import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { LookupAddress } from 'node:dns'
import { type AddressInfo, isIP } from 'node:net'
import { Counter, Registry } from 'prom-client'
import { AppConfig } from '#platform/config/app-config.js'
import type { HostResolver } from '#platform/outbound/host-resolver.js'
import { OutboundClient } from '#platform/outbound/outbound-client.js'
import { OutboundMetrics } from '#platform/outbound/outbound-metrics.js'
import { TEST_JWT_SECRET } from './test-app.js'

/** The names of a test: what a name stands for with each look-up in turn, the last for ever. */
export class TestNames implements HostResolver {
  readonly lookups: string[] = []

  constructor(private readonly answers: Readonly<Record<string, readonly (readonly string[])[]>> = {}) {}

  async resolve(hostname: string): Promise<readonly LookupAddress[]> {
    const answers = this.answers[hostname]
    const earlier = this.lookups.filter((name) => name === hostname).length
    this.lookups.push(hostname)
    if (!answers) throw Object.assign(new Error(`getaddrinfo ENOTFOUND ${hostname}`), { code: 'ENOTFOUND' })
    const addresses = answers[Math.min(earlier, answers.length - 1)] ?? []
    return addresses.map((address) => ({ address, family: isIP(address) }))
  }
}

export interface TestOutboundOptions {
  readonly env?: Record<string, string>
  readonly resolver?: HostResolver
}

/** An outbound client as the application makes it, and what it has counted. */
export function createOutbound({ env = {}, resolver = new TestNames() }: TestOutboundOptions = {}) {
  const config = AppConfig.parse({ NODE_ENV: 'test', JWT_SECRET: TEST_JWT_SECRET, ...env })
  const counter = new Counter({ name: 'n', help: 'h', labelNames: ['outcome'], registers: [new Registry()] })
  const client = new OutboundClient(config, resolver, new OutboundMetrics(counter))
  const outcomes = async () =>
    Object.fromEntries((await counter.get()).values.map(({ labels, value }) => [String(labels['outcome']), value]))
  return { client, outcomes, [Symbol.asyncDispose]: () => client.onApplicationShutdown() }
}

export type Answer = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>

/** A server on every address of this machine that notes where it is reached. */
export class Canary implements AsyncDisposable {
  /** The address of ours that each connection came to. */
  readonly connections: string[] = []

  private constructor(private readonly server: Server) {
    server.on('connection', (socket) => {
      this.connections.push(String(socket.localAddress).replace('::ffff:', ''))
    })
  }

  static async start(answer: Answer = (_request, response) => void response.end('tweet')): Promise<Canary> {
    const server = createServer((request, response) => void answer(request, response))
    // The client is to end what is idle, not the server.
    server.keepAliveTimeout = 0
    const canary = new Canary(server)
    await once(server.listen(0), 'listening')
    return canary
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.server, 'close')
    this.server.close()
    this.server.closeAllConnections()
    await closed
  }
}
