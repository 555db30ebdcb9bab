import { type IncomingMessage, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { FastifyAdapter } from '@nestjs/platform-fastify'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { AppError } from '#kernel/app-error.js'
import { newId } from '#kernel/ids.js'
import type { AppConfig } from '../config/app-config.js'
import { installEdge } from './edge/install-edge.js'
import { createSecurityHeaders } from './edge/security-headers.js'
import { PROBLEM_CONTENT_TYPE, statusOf, toAppError, toProblem } from './problem.js'
import { RouteTable } from './route-table.js'

const REQUEST_ID_PATTERN = /^[A-Za-z0-9_-]{1,64}$/
const MAX_PARAM_LENGTH = 200
const KEEP_ALIVE_TIMEOUT_MS = 72_000
/** How often Node looks for requests that take too long to arrive; its own half a minute doubles the default limit. */
const SLOW_REQUEST_CHECK_MS = 1000

/** Fastify, set up so that whatever goes wrong before a route is found is answered as the contract has it, too. */
export async function createHttpAdapter(config: AppConfig): Promise<FastifyAdapter> {
  const { settings } = config
  const securityHeaders = await createSecurityHeaders(config)
  const adapter = new FastifyAdapter({
    bodyLimit: settings.BODY_LIMIT_BYTES,
    // X-Forwarded-For of anybody else is not looked at: `request.ip` is who limits and the audit log hold to account.
    trustProxy: settings.TRUSTED_PROXIES ?? false,
    requestTimeout: settings.REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    // While draining, requests on open connections are still answered; each answer closes its connection.
    return503OnClosing: false,
    requestIdHeader: false,
    genReqId: (request: IncomingMessage) => pickRequestId(request.headers['x-request-id']),
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    // Before a route is found no hook has run.
    frameworkErrors: (error: unknown, request: FastifyRequest, reply: FastifyReply) =>
      void sendProblem(error, request, reply.headers({ ...securityHeaders, 'cache-control': 'no-store' })),
    clientErrorHandler: answerBrokenRequest,
    http: {
      // Node would refuse with an empty body; `refuseMissingHost` does with a problem.
      requireHostHeader: false,
      // Again: Fastify's option comes after Node has set a minute for headers, and a slow body is cut off after both only.
      requestTimeout: settings.REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: SLOW_REQUEST_CHECK_MS,
    },
  })
  const fastify = adapter.getInstance<FastifyInstance>()
  fastify.removeContentTypeParser('text/plain')
  takeEmptyJsonForNoBody(fastify)
  // RFC 9110 §10.1.1 lets a server overlook an expectation that it does not know; Node would answer with an empty 417.
  fastify.server.on('checkExpectation', (request, response) => fastify.server.emit('request', request, response))
  installEdge(fastify, { settings, securityHeaders })
  refuseMissingHost(fastify)
  refuseWrongMethods(fastify)
  return adapter
}

/** Many clients say `application/json` of every request. Whether a body is missing is for the route's schema to say. */
function takeEmptyJsonForNoBody(fastify: FastifyInstance): void {
  const parseJson = fastify.getDefaultJsonParser('error', 'error')
  fastify.addContentTypeParser<string>('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') return done(null)
    return parseJson(request, body, done)
  })
}

/** The client's id when it is harmless, else a new one. */
function pickRequestId(header: string | string[] | undefined): string {
  return typeof header === 'string' && REQUEST_ID_PATTERN.test(header) ? header : newId()
}

/** RFC 9112 §3.2: an HTTP/1.1 request names its host. */
function refuseMissingHost(fastify: FastifyInstance): void {
  fastify.addHook('onRequest', (request, reply, done) => {
    if (request.headers.host !== undefined || request.raw.httpVersion !== '1.1') return done()
    const detail = 'An HTTP/1.1 request needs a Host header.'
    void sendProblem(new AppError('validation_failed', 'invalid', { detail }), request, reply)
  })
}

function refuseWrongMethods(fastify: FastifyInstance): void {
  const routes = new RouteTable()
  fastify.addHook('onRoute', ({ method, url }) => routes.add(method, url))
  fastify.addHook('onRequest', (request, reply, done) => {
    if (!request.is404) return done()
    const methods = routes.methodsOf(pathOf(request))
    if (methods.length === 0) return done()
    void reply.header('Allow', methods.join(', '))
    const detail = `${request.method} is not allowed here: ${methods.join(', ')}.`
    void sendProblem(new AppError('method_not_allowed', 'method_not_allowed', { detail }), request, reply)
  })
}

function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const known = isTooLongForARoute(error) ? nothingThere(error) : toAppError(error)
  return reply
    .status(statusOf(known.kind))
    .headers({ 'Content-Type': PROBLEM_CONTENT_TYPE, 'X-Request-Id': request.id })
    .send(Buffer.from(JSON.stringify(toProblem(known, { id: request.id, path: pathOf(request) }))))
}

/** Bytes that are no HTTP request, headers that are too large, or a request that takes too long: there is no reply object. */
function answerBrokenRequest(this: FastifyInstance, error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const { status, code, detail } = BROKEN_REQUESTS[error.code ?? ''] ?? NO_HTTP
  const title = STATUS_CODES[status] ?? 'Bad Request'
  const id = newId()
  const problem = { ...toProblem(new AppError(code, 'invalid', { detail }), { id, path: '/' }), title, status }
  const body = JSON.stringify(problem)
  socket.end(
    `HTTP/1.1 ${status} ${title}\r\nContent-Type: ${PROBLEM_CONTENT_TYPE}\r\nX-Request-Id: ${id}\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  )
}

interface BrokenRequest {
  readonly status: number
  readonly code: string
  readonly detail: string
}

const NO_HTTP: BrokenRequest = { status: 400, code: 'validation_failed', detail: 'This is not an HTTP request.' }
const BROKEN_REQUESTS: Record<string, BrokenRequest> = {
  HPE_HEADER_OVERFLOW: { status: 431, code: 'headers_too_large', detail: 'The request headers are too large.' },
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: 408,
    code: 'request_timeout',
    detail: 'The request took too long to arrive.',
  },
}

/** A path with a segment longer than any name or id of ours: nothing can be there. */
function isTooLongForARoute(error: unknown): boolean {
  return (error as { code?: unknown } | null)?.code === 'FST_ERR_MAX_PARAM_LENGTH'
}

function nothingThere(cause: unknown): AppError {
  return new AppError('not_found', 'not_found', { detail: 'There is nothing at this address.', cause })
}

function pathOf(request: FastifyRequest): string {
  return request.url.split('?', 1)[0] ?? request.url
}
