import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net'
import { once } from 'node:events'

/**
 * A TCP proxy that can fail on demand: `cut` is a server that is gone (connections break, new ones are refused), `freeze`
 * a network that swallows everything (connections stay open, nothing arrives).
 */
export class TcpProxy implements AsyncDisposable {
  private server: Server | undefined
  private isFrozen = false
  private readonly sockets = new Set<Socket>()

  private constructor(
    private readonly target: { host: string; port: number },
    private port: number,
  ) {}

  /** @param url of the server behind the proxy; its host and port count. */
  static async start(url: string, defaultPort: number): Promise<TcpProxy> {
    const { hostname, port } = new URL(url)
    const proxy = new TcpProxy({ host: hostname, port: Number(port) || defaultPort }, 0)
    await proxy.restore()
    return proxy
  }

  /** `url` with the address of the proxy in place of the server's. */
  through(url: string): string {
    const proxied = new URL(url)
    proxied.hostname = '127.0.0.1'
    proxied.port = String(this.port)
    return proxied.href
  }

  /** Breaks every connection and refuses new ones. */
  async cut(): Promise<void> {
    const { server } = this
    if (!server) return
    this.server = undefined
    const closed = once(server, 'close')
    server.close()
    for (const socket of this.sockets) socket.destroy()
    await closed
  }

  /** Lets nothing through in either direction, and breaks nothing. */
  freeze(): void {
    this.isFrozen = true
    for (const socket of this.sockets) socket.pause()
  }

  /** Back to normal, on the same port. What was swallowed while frozen arrives now. */
  async restore(): Promise<void> {
    this.isFrozen = false
    for (const socket of this.sockets) socket.resume()
    if (this.server) return
    const server = createServer({ pauseOnConnect: false }, (socket) => this.accept(socket))
    server.listen(this.port, '127.0.0.1')
    await once(server, 'listening')
    this.port = (server.address() as AddressInfo).port
    this.server = server
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cut()
  }

  private accept(inner: Socket): void {
    const outer = connect(this.target)
    for (const [from, to] of [
      [inner, outer],
      [outer, inner],
    ] as const) {
      this.sockets.add(from)
      from.setNoDelay(true)
      from.on('data', (chunk) => to.write(chunk))
      from.on('error', () => undefined)
      from.on('close', () => {
        this.sockets.delete(from)
        to.destroy()
      })
      if (this.isFrozen) from.pause()
    }
  }
}
