import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { AppError } from '#kernel/app-error.js'
import { parseWaitPreference } from '../prefer.js'

declare module 'fastify' {
  interface FastifyReply {
    /** Cuts the handler off; null once the answer has begun. */
    deadline: NodeJS.Timeout | null
  }
}

const MS_PER_SECOND = 1000
const RETRY_AFTER_SECONDS = 5

/**
 * Answers 503 for a handler that does not, from when the body is there to {@link endDeadline}. Fastify's own
 * `handlerTimeout` counts from the headers, so that a slow upload would use up the handler's time and be told 503 instead
 * of 408, and it breaks off answers that are being streamed.
 */
export function limitHandlers(fastify: FastifyInstance, limitMs: number): void {
  fastify.decorateReply('deadline', null)
  fastify.addHook('preHandler', (request, reply, done) => {
    const waitMs = request.routeOptions.config.waits ? preferredWaitMs(request) : 0
    // A handler that passes the request on to the one for 404 comes by here twice.
    reply.deadline ??= setTimeout(cutOff, limitMs + waitMs, reply)
    done()
  })
  // A client that hung up gets no answer.
  fastify.addHook('onResponse', (_request, reply, done) => {
    endDeadline(reply)
    done()
  })
}

function preferredWaitMs({ headers: { prefer } }: FastifyRequest): number {
  return parseWaitPreference(prefer?.toString()).waitSeconds * MS_PER_SECOND
}

/** The answer has begun: it may take as long as it likes. */
export function endDeadline(reply: FastifyReply): void {
  if (reply.deadline === null) return
  clearTimeout(reply.deadline)
  reply.deadline = null
}

function cutOff(reply: FastifyReply): void {
  // Whoever has taken over the connection, such as an event stream, answers for himself.
  if (reply.sent || reply.raw.headersSent) return
  const detail = 'The answer took too long. What was asked for may still happen.'
  reply.send(new AppError('unavailable', 'unavailable', { detail, retryAfterSeconds: RETRY_AFTER_SECONDS }))
}
