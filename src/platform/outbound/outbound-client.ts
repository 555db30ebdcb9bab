import { Injectable, type OnApplicationShutdown } from '@nestjs/common'
import { Agent, fetch, type Response as AgentResponse } from 'undici'
import { APP_VERSION } from '../config/app-version.js'
import { AppConfig } from '../config/app-config.js'
import { Deadline } from './deadline.js'
import { guardedConnector } from './guarded-connector.js'
import { HostResolver } from './host-resolver.js'
import { refused, toOutboundError } from './outbound-errors.js'
import { OutboundMetrics } from './outbound-metrics.js'
import { OutboundPolicy } from './outbound-policy.js'
import type { OutboundAnswer, OutboundRequest } from './outbound-request.js'
import { checkBody, checkHeaders, checkMethod, type GivenHeaders } from './request-check.js'
import { limitBody, readBody } from './response-body.js'

const CONNECT_TIMEOUT_MS = 5000
/** Of an answer. */
const MAX_HEADER_BYTES = 16 * 1024
/** A kept connection was checked when it was opened, and stays with that address: not for long. */
const KEEP_ALIVE_MS = 4000
const USER_AGENT = `TempoNest/${APP_VERSION}`
const REDIRECTS = new Set([301, 302, 303, 307, 308])

/** What is taken of a request, from whoever gives it: the body is checked before it is believed to be one. */
interface Opening {
  readonly method?: string | undefined
  readonly headers?: GivenHeaders
  readonly body?: unknown
  readonly signal: AbortSignal
}

/**
 * The only way to URLs that tenants give. It connects to public addresses and to what `OUTBOUND_ALLOWED_CIDRS` adds, sends nothing before the address is
 * checked, follows no redirect, keeps no cookies, knows no proxy, and ends what takes too long or grows too large.
 * Never inside a transaction. Whether to try again is the caller's to know: nothing is repeated here.
 */
@Injectable()
export class OutboundClient implements OnApplicationShutdown {
  private readonly policy: OutboundPolicy
  private readonly agent: Agent
  private readonly maxTimeoutMs: number
  private readonly maxResponseBytes: number

  constructor(
    { settings }: AppConfig,
    resolver: HostResolver,
    private readonly metrics: OutboundMetrics,
  ) {
    this.maxTimeoutMs = settings.OUTBOUND_TIMEOUT_MS
    this.maxResponseBytes = settings.OUTBOUND_MAX_RESPONSE_BYTES
    this.policy = new OutboundPolicy({
      allowedCidrs: settings.OUTBOUND_ALLOWED_CIDRS ?? [],
      allowedPorts: settings.OUTBOUND_ALLOWED_PORTS,
    })
    this.agent = new Agent({
      connect: guardedConnector({ policy: this.policy, resolver, timeoutMs: CONNECT_TIMEOUT_MS }),
      maxHeaderSize: MAX_HEADER_BYTES,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MS,
      // The deadline is over all of it.
      headersTimeout: 0,
      bodyTimeout: 0,
    })
  }

  /**
   * What can be told of a URL before it is used, so that a tenant's can be refused where he gives it. Its host's addresses are checked with each use.
   * @throws AppError `outbound_refused`
   */
  checkUrl(url: string | URL): void {
    this.policy.checkUrl(url)
  }

  /**
   * Sends a request and reads the answer, whatever its status; a redirect is an answer like another.
   * @throws AppError `outbound_refused`, `outbound_failed`, `outbound_timeout`, `outbound_too_large`; the signal's reason when that aborts
   */
  async request({ url, method, headers, body, signal, ...limits }: OutboundRequest): Promise<OutboundAnswer> {
    using deadline = new Deadline(Math.min(limits.timeoutMs ?? Infinity, this.maxTimeoutMs), signal)
    try {
      const response = await this.open(url, { method, headers, body, signal: deadline.signal })
      const maxBytes = Math.min(limits.maxResponseBytes ?? Infinity, this.maxResponseBytes)
      const read = await readBody(response.body, { maxBytes, truncate: limits.truncate ?? false })
      this.metrics.countAnswer()
      return { status: response.status, headers: unpackedHeaders(response), ...read }
    } catch (error) {
      throw this.failure(error, signal)
    }
  }

  /**
   * The same for libraries that ask for a `fetch`, with the settings' limits; it needs no `this`. The answer's body is a stream, which breaks
   * with the same errors. A redirect is refused, whatever `init.redirect` says; of `init` it takes method, headers, body and signal.
   */
  readonly fetch = async (url: string | URL, init: RequestInit = {}): Promise<Response> => {
    const deadline = new Deadline(this.maxTimeoutMs, init.signal)
    try {
      const response = await this.open(url, { ...init, signal: deadline.signal })
      if (REDIRECTS.has(response.status)) {
        await response.body?.cancel()
        throw refused(`The server answered with a redirect (${response.status}), which is not followed.`)
      }
      const body = response.body?.pipeThrough(limitBody(this.maxResponseBytes, () => deadline[Symbol.dispose]()))
      if (!body) deadline[Symbol.dispose]()
      const answer = new Response(body ?? null, {
        status: response.status,
        statusText: response.statusText,
        headers: [...response.headers],
      })
      this.metrics.countAnswer()
      return answer
    } catch (error) {
      deadline[Symbol.dispose]()
      throw this.failure(error, init.signal)
    }
  }

  /** Last of all hooks: until then runs that end may still call their tools. */
  async onApplicationShutdown(): Promise<void> {
    await this.agent.destroy()
  }

  private async open(url: string | URL, { method = 'GET', headers, body, signal }: Opening): Promise<AgentResponse> {
    const checkedUrl = this.policy.checkUrl(url)
    const checkedBody = checkBody(body)
    return fetch(checkedUrl, {
      method: checkMethod(method, { hasBody: checkedBody !== null }),
      headers: { 'user-agent': USER_AGENT, ...checkHeaders(headers) },
      body: checkedBody,
      signal,
      redirect: 'manual',
      dispatcher: this.agent,
    })
  }

  /** The caller's own reason where it was he who gave up. */
  private failure(error: unknown, caller?: AbortSignal | null): unknown {
    const failure: unknown = caller?.aborted ? caller.reason : toOutboundError(error)
    this.metrics.countFailure(failure)
    return failure
  }
}

/** Of the body as it was unpacked: how it was packed, and how long that was, is no longer true. */
function unpackedHeaders({ headers }: AgentResponse): Record<string, string> {
  const { 'content-encoding': _encoding, 'content-length': _length, ...kept } = Object.fromEntries(headers)
  return kept
}
