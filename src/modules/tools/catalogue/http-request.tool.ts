import { Injectable } from '@nestjs/common'
import type { FieldError } from '#kernel/app-error.js'
import { OutboundClient } from '#platform/outbound/outbound-client.js'
import { ToolBinder } from '../calls/tool-binder.service.js'
import { type AllowedHost, isAllowed, parseAllowedHost } from '../http-request/allowed-hosts.js'
import { answerText } from '../http-request/answer-text.js'
import {
  type HttpMethod,
  type HttpRequestConfig,
  httpRequestConfigSchema,
  MAX_HEADERS,
} from '../http-request/http-request.schemas.js'
import { isReservedHeader, mergeHeaders } from '../request-headers.js'
import { type BoundTool, type CheckedUse, Tool, type ToolCallContext, type ToolResult } from '../tool.js'

/** RFC 9110, section 9.2.2. */
const IDEMPOTENT_METHODS: ReadonlySet<HttpMethod> = new Set(['GET', 'HEAD', 'PUT', 'DELETE'])
const MAX_URL_CHARACTERS = 8000
const FIRST_ERROR_STATUS = 400

/** What the model gives; the input schema has been checked. */
interface HttpRequestArguments {
  readonly method: HttpMethod
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** Requests to hosts that the agent's maker has listed, by the guarded client. */
@Injectable()
export class HttpRequestTool extends Tool<HttpRequestConfig> {
  override readonly name = 'http_request'
  override readonly configSchema = httpRequestConfigSchema

  constructor(
    private readonly outbound: OutboundClient,
    private readonly binder: ToolBinder,
  ) {
    super()
  }

  override namesOf({ name }: HttpRequestConfig): readonly string[] {
    return [name]
  }

  /** Its schema says it all: where a name leads to is known when it is called. */
  override async check(): Promise<readonly FieldError[]> {
    return []
  }

  override async bind(
    _tenantId: string,
    { config, requireApproval }: CheckedUse<HttpRequestConfig>,
  ): Promise<BoundTool[]> {
    const allowed = config.hosts.map((entry) => parseAllowedHost(entry)).filter((host) => host !== null)
    const description = {
      name: config.name,
      description: `Sends an HTTP request and returns status and body. Hosts: ${config.hosts.join(', ')}. Redirects are not followed.`,
      inputSchema: inputSchemaOf(config),
      isIdempotent: config.methods.every((method) => IDEMPOTENT_METHODS.has(method)),
      needsApproval: requireApproval ?? false,
      timeoutMs: config.timeoutMs,
    }
    return [
      this.binder.bind(description, (args, context) =>
        this.send(args as unknown as HttpRequestArguments, { config, allowed, context }),
      ),
    ]
  }

  private async send(
    { method, url: given, headers = {}, body }: HttpRequestArguments,
    {
      config,
      allowed,
      context,
    }: { config: HttpRequestConfig; allowed: readonly AllowedHost[]; context: ToolCallContext },
  ): Promise<ToolResult> {
    const url = URL.parse(given)
    if (url === null || !isAllowed(url, allowed))
      return refused(`The URL must be of one of these hosts: ${config.hosts.join(', ')}`)
    const reserved = Object.keys(headers).find(isReservedHeader)
    if (reserved !== undefined) return refused(`The header ${reserved} may not be set.`)
    const answer = await this.outbound.request({
      url,
      method,
      // The maker's after the model's: what he has fixed stays.
      headers: mergeHeaders(contentTypeOf(body), headers, config.headers, idempotencyKey(method, context)),
      ...(body !== undefined && { body }),
      timeoutMs: config.timeoutMs,
      maxResponseBytes: config.maxResponseBytes,
      truncate: true,
      signal: context.signal,
    })
    return { text: answerText(answer), isError: answer.status >= FIRST_ERROR_STATUS }
  }
}

function inputSchemaOf({ methods }: HttpRequestConfig): Record<string, unknown> {
  return {
    type: 'object',
    properties: {
      method: { type: 'string', enum: methods },
      url: { type: 'string', maxLength: MAX_URL_CHARACTERS, description: 'The whole URL, with its query.' },
      headers: { type: 'object', maxProperties: MAX_HEADERS, additionalProperties: { type: 'string' } },
      body: { type: 'string', description: 'As it is sent: JSON is written out.' },
    },
    required: ['method', 'url'],
    additionalProperties: false,
  }
}

function contentTypeOf(body: string | undefined): Record<string, string> {
  if (body === undefined) return {}
  return { 'content-type': isJson(body) ? 'application/json' : 'text/plain; charset=utf-8' }
}

/** A server that knows it does a call once that we repeat after a crash. */
function idempotencyKey(method: HttpMethod, { callId }: ToolCallContext): Record<string, string> {
  return IDEMPOTENT_METHODS.has(method) ? {} : { 'idempotency-key': encodeURIComponent(callId) }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

function refused(text: string): ToolResult {
  return { text, isError: true }
}
