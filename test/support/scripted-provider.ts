import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What follows the events: the end of the answer, nothing ever, or the end of the connection. */
type Ending = 'end' | 'hang' | 'hang-up'

/** A model provider that answers every request with the same bytes: for what its documentation says that it sends. */
export class ScriptedProvider {
  private text = ''
  private ending: Ending = 'end'

  private constructor(private readonly server: Server) {}

  static async start(): Promise<ScriptedProvider> {
    const server = createServer()
    const provider = new ScriptedProvider(server)
    server.on('request', (request, response) => {
      request.resume().once('end', () => {
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        if (provider.ending === 'end') response.end(provider.text)
        else
          response.write(provider.text, () => provider.ending === 'hang-up' && setTimeout(() => response.destroy(), 50))
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return provider
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  /** @param events data of server-sent events; objects with a `type` are named by it, as Anthropic does */
  answer(events: readonly (object | '[DONE]')[], ending: Ending = 'end'): void {
    this.text = events.map(toEvent).join('')
    this.ending = ending
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve))
    this.server.closeAllConnections()
    await closed
  }
}

function toEvent(event: object | '[DONE]'): string {
  if (event === '[DONE]') return 'data: [DONE]\n\n'
  const name = 'type' in event ? `event: ${String(event.type)}\n` : ''
  return `${name}data: ${JSON.stringify(event)}\n\n`
}
