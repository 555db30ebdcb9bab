import { Injectable, type OnApplicationShutdown } from '@nestjs/common'
import { Agent, fetch, request, type Response as AgentResponse } from 'undici'
import { APP_VERSION } from '../config/app-version.js'
import { AppConfig } from '../config/app-config.js'
import { joinValues, unpackedHeaders } from './answer-headers.js'
import { Deadline } from './deadline.js'
import { guardedConnector } from './guarded-connector.js'
import { HostResolver } from './host-resolver.js'
import { refused, toOutboundError } from './outbound-errors.js'
import { OutboundMetrics } from './outbound-metrics.js'
import { OutboundPolicy } from './outbound-policy.js'
import type { OutboundAnswer, OutboundMessage, OutboundReply, OutboundRequest } from './outbound-request.js'
import {
  checkBody,
  checkHeaders,
  checkMethod,
  type GivenHeaders,
  type OutboundBody,
  type OutboundMethod,
} from './request-check.js'
import { limitBody, readBody } from './response-body.js'

const CONNECT_TIMEOUT_MS = 5000
/** Of an answer. */
const MAX_HEADER_BYTES = 16 * 1024
/** A kept connection was checked when it was opened, and stays with that address: not for long. */
const KEEP_ALIVE_MS = 4000
const USER_AGENT = `TempoNest/${APP_VERSION}`
const REDIRECTS = new Set([301, 302, 303, 307, 308])

/** What is taken of a request, from whoever gives it: the body is checked before it is believed to be one. */
interface GivenInit {
  readonly method?: string | undefined
  readonly headers?: GivenHeaders
  readonly body?: unknown
}

interface CheckedRequest {
  readonly url: URL
  readonly method: OutboundMethod
  readonly headers: Record<string, string>
  readonly body: OutboundBody | null
}

interface Limits {
  readonly deadline: Deadline
  readonly maxBytes: number
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
  async request({ truncate = false, ...given }: OutboundRequest): Promise<OutboundAnswer> {
    return this.exchange(given, async (checked, { deadline, maxBytes }) => {
      const response = await this.open(checked, deadline.signal)
      const read = await readBody(response.body, { maxBytes, truncate })
      this.metrics.countAnswer()
      return { status: response.status, headers: unpackedHeaders(response.headers), ...read }
    })
  }

  /**
   * Sends a request and takes what comes as it comes: each status is an answer (`fetch` repeats a 421 and fails on a 407), no body is
   * unpacked, what is too large is cut. A body that breaks does not take status and headers with it: `failure` tells of it.
   * @throws AppError `outbound_refused`, `outbound_failed`, `outbound_timeout`, `outbound_too_large` (headers); the signal's reason when that aborts
   */
  async send(given: OutboundMessage): Promise<OutboundReply> {
    return this.exchange(given, async ({ url, method, headers: sent }, { deadline, maxBytes }) => {
      const headers = { 'accept-encoding': 'identity', ...sent }
      const options = { method, headers, body: given.body ?? null, signal: deadline.signal, dispatcher: this.agent }
      const response = await deadline.race(request(url, options))
      const head = { status: response.statusCode, headers: joinValues(Object.entries(response.headers)) }
      try {
        const read = await readBody(response.body, { maxBytes, truncate: true })
        this.metrics.countAnswer()
        return { ...head, ...read, failure: null }
      } catch (error) {
        if (given.signal?.aborted) throw error
        const failure = toOutboundError(error)
        this.metrics.countFailure(failure)
        return { ...head, body: Buffer.alloc(0), isTruncated: true, failure }
      }
    })
  }

  /**
   * The same for libraries that ask for a `fetch`, with the settings' limits; it needs no `this`. The answer's body is a stream, which breaks
   * with the same errors. A redirect is refused, whatever `init.redirect` says; of `init` it takes method, headers, body and signal.
   */
  readonly fetch = async (url: string | URL, init: RequestInit = {}): Promise<Response> => {
    const deadline = new Deadline(this.maxTimeoutMs, init.signal)
    try {
      const response = await this.open(this.check(url, init), deadline.signal)
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

  private async exchange<T>(
    { url, signal, timeoutMs = Infinity, maxResponseBytes = Infinity, ...init }: Omit<OutboundRequest, 'truncate'>,
    perform: (request: CheckedRequest, limits: Limits) => Promise<T>,
  ): Promise<T> {
    using deadline = new Deadline(Math.min(timeoutMs, this.maxTimeoutMs), signal)
    const maxBytes = Math.min(maxResponseBytes, this.maxResponseBytes)
    try {
      return await perform(this.check(url, init), { deadline, maxBytes })
    } catch (error) {
      throw this.failure(error, signal)
    }
  }

  private check(url: string | URL, { method = 'GET', headers, body }: GivenInit): CheckedRequest {
    const checkedUrl = this.policy.checkUrl(url)
    const checkedBody = checkBody(body)
    return {
      url: checkedUrl,
      method: checkMethod(method, { hasBody: checkedBody !== null }),
      headers: { 'user-agent': USER_AGENT, ...checkHeaders(headers) },
      body: checkedBody,
    }
  }

  private async open({ url, ...init }: CheckedRequest, signal: AbortSignal): Promise<AgentResponse> {
    return fetch(url, { ...init, signal, redirect: 'manual', dispatcher: this.agent })
  }

  /** The caller's own reason where it was he who gave up. */
  private failure(error: unknown, caller?: AbortSignal | null): unknown {
    const failure: unknown = caller?.aborted ? caller.reason : toOutboundError(error)
    this.metrics.countFailure(failure)
    return failure
  }
}
