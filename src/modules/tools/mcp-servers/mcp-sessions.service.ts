import type { Client } from '@modelcontextprotocol/sdk/client/index.js'
import type { FetchLike } from '@modelcontextprotocol/sdk/shared/transport.js'
import type { jsonSchemaValidator } from '@modelcontextprotocol/sdk/validation/types.js'
import { Injectable } from '@nestjs/common'
import { APP_VERSION } from '#platform/config/app-version.js'
import { OutboundClient } from '#platform/outbound/outbound-client.js'
import { toolUnavailable } from '../tools.errors.js'
import { McpCredentials } from './mcp-credentials.service.js'
import { wordFailure } from './mcp-failure.js'
import type { McpServerRecord } from './mcp-server.entity.js'
import { redactorOf } from './redaction.js'

/** A server that keeps asking us back, or makes us connect again and again, is not to go on so until the timeout. */
const MAX_REQUESTS_PER_SESSION = 32
const GOODBYE_TIMEOUT_MS = 2000
/** How much longer than we the library waits, so that it is we who say what happened. */
const LIBRARY_GRACE_MS = 1000
const METHOD_NOT_ALLOWED = 405
const CANCELLED = 'notifications/cancelled'
/** The library would compile every output schema that a server sends it. We ask for none of that, and this makes sure. */
const NO_VALIDATION: jsonSchemaValidator = {
  getValidator: () => (input) => ({ valid: true, data: input as never, errorMessage: undefined }),
}

export interface SessionLimits {
  /** For all of it: to connect, to work. */
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

export interface McpSession {
  readonly client: Client
  /** For each request of the client. */
  readonly options: { readonly signal: AbortSignal; readonly timeout: number }
  /** Takes our credentials out of what the server says. */
  readonly redact: (text: string) => string
}

/**
 * Connects to an MCP server by streamable HTTP for as long as one piece of work takes. Nothing is kept from one to the next: no
 * session to lose, no stream that nobody reads, and credentials are open only meanwhile.
 */
@Injectable()
export class McpSessions {
  constructor(
    private readonly outbound: OutboundClient,
    private readonly credentials: McpCredentials,
  ) {}

  /** @throws AppError `tool_unavailable`, in words without a header of ours; the signal's reason when that aborts */
  async with<T>(
    server: McpServerRecord,
    { timeoutMs, signal: caller }: SessionLimits,
    work: (session: McpSession) => Promise<T>,
  ): Promise<T> {
    const headers = this.credentials.find(server)
    if (!headers) throw toolUnavailable(`The headers of the MCP server ${server.name} cannot be read: send them again.`)
    // Loaded when a server is first used: 25 MB that many a replica never needs.
    const [{ Client }, { StreamableHTTPClientTransport }] = await Promise.all([
      import('@modelcontextprotocol/sdk/client/index.js'),
      import('@modelcontextprotocol/sdk/client/streamableHttp.js'),
    ])
    const timeout = AbortSignal.timeout(timeoutMs)
    const broken = new AbortController()
    const signal = AbortSignal.any([caller, timeout, broken.signal])
    const redact = redactorOf(headers)
    const settings = { fetch: this.fetchUntil(signal), requestInit: { headers } }
    const transport = Object.assign(new StreamableHTTPClientTransport(new URL(server.url), settings), {
      // That a stream broke is told here alone: who waits for its answer would wait for the timeout.
      onerror: (error: Error) => broken.abort(error),
    })
    const client = new Client({ name: 'temponest', version: APP_VERSION }, { jsonSchemaValidator: NO_VALIDATION })
    const options = { signal, timeout: timeoutMs + LIBRARY_GRACE_MS }
    try {
      await client.connect(transport, options)
      return await work({ client, options, redact })
    } catch (error) {
      caller.throwIfAborted()
      if (timeout.aborted) throw toolUnavailable(`The MCP server ${server.name} did not answer within ${timeoutMs} ms.`)
      const failure: unknown = broken.signal.aborted ? broken.signal.reason : error
      throw wordFailure(failure, { server: server.name, redact })
    } finally {
      // The answer does not wait for a goodbye that the server may not even know.
      void transport
        .terminateSession()
        .catch(() => undefined)
        .then(() => client.close())
        .catch(() => undefined)
    }
  }

  private fetchUntil(signal: AbortSignal): FetchLike {
    let requests = 0
    return async (url, init = {}) => {
      if (isGoodbye(init)) {
        return this.outbound.fetch(url, { ...init, signal: AbortSignal.timeout(GOODBYE_TIMEOUT_MS) })
      }
      // A stream for what the server says unasked: nobody is there to hear it. The library takes this for a server without one.
      if (init.method === 'GET' && !new Headers(init.headers).has('last-event-id')) {
        return new Response(null, { status: METHOD_NOT_ALLOWED })
      }
      requests += 1
      if (requests > MAX_REQUESTS_PER_SESSION) throw toolUnavailable('The MCP server asks for too many requests.')
      const signals = init.signal ? [signal, init.signal] : [signal]
      return this.outbound.fetch(url, { ...init, signal: AbortSignal.any(signals) })
    }
  }
}

/** What the server is told when we go or give up, which is when our own signal has ended. */
function isGoodbye({ method, body }: RequestInit): boolean {
  if (method === 'DELETE') return true
  // Arguments of a call may hold the same words: what the message itself is counts.
  if (typeof body !== 'string' || !body.includes(CANCELLED)) return false
  const message: unknown = JSON.parse(body)
  return typeof message === 'object' && message !== null && 'method' in message && message.method === CANCELLED
}
