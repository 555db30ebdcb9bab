import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Logger } from 'pino'
import { requestContext, type RequestContext } from './request-context.js'

/** W3C Trace Context: version, trace id, parent id, flags; an all-zero trace id is invalid. */
const TRACEPARENT_PATTERN = /^[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}/
const MS_PER_SECOND = 1000
const FIRST_SERVER_ERROR = 500

/** What a finished request is measured by. `route` is the template, so that labels stay few. */
export interface FinishedRequest {
  readonly method: string
  readonly route: string
  readonly status: number
  readonly durationSeconds: number
}

/** Gives each request its context, and tells of it when it is done. */
export function installRequestHooks(
  fastify: FastifyInstance,
  { logger, onFinished }: { logger: Logger; onFinished: (request: FinishedRequest) => void },
): void {
  fastify.addHook('onRequest', (request, _reply, done) => {
    const traceId = TRACEPARENT_PATTERN.exec(String(request.headers['traceparent'] ?? ''))?.[1]
    const { id: requestId, method, ip: address } = request
    const route = routeOf(request)
    const context: RequestContext = { requestId, method, route, address, ...(traceId && { traceId }) }
    requestContext.run(context, done)
  })
  fastify.addHook('onResponse', (request, reply, done) => {
    const finished: FinishedRequest = {
      method: request.method,
      route: routeOf(request),
      status: reply.statusCode,
      durationSeconds: reply.elapsedTime / MS_PER_SECOND,
    }
    onFinished(finished)
    const level = reply.statusCode >= FIRST_SERVER_ERROR ? 'warn' : 'info'
    if (logger.isLevelEnabled(level)) {
      logger[level]({ event: 'request_finished', ...finished, requestId: request.id }, 'request_finished')
    }
    done()
  })
}

function routeOf({ routeOptions }: FastifyRequest): string {
  return routeOptions.url ?? 'unmatched'
}
