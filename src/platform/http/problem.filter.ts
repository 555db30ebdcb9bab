import { type ArgumentsHost, Catch, type ExceptionFilter } from '@nestjs/common'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { PinoLogger } from 'nestjs-pino'
import { statusOf, PROBLEM_CONTENT_TYPE, toAppError, toProblem } from './problem.js'

const FIRST_SERVER_ERROR = 500

/** Answers every error as problem+json, and logs those that are ours. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(private readonly logger: PinoLogger) {
    logger.setContext(ProblemFilter.name)
  }

  catch(error: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<FastifyRequest>()
    const reply = host.switchToHttp().getResponse<FastifyReply>()
    const known = toAppError(error)
    const status = statusOf(known.kind)
    if (known.kind === 'internal') this.logger.error({ err: error, event: 'request_failed' }, 'request_failed')
    else if (status >= FIRST_SERVER_ERROR) this.logger.warn({ err: error, event: 'request_failed' }, 'request_failed')
    if (reply.sent || reply.raw.headersSent) return
    if (known.retryAfterSeconds !== undefined) void reply.header('Retry-After', `${known.retryAfterSeconds}`)
    if (known.kind === 'unauthenticated') void reply.header('WWW-Authenticate', 'Bearer realm="temponest"')
    const path = request.url.split('?', 1)[0] ?? request.url
    void reply
      .status(status)
      .header('Content-Type', PROBLEM_CONTENT_TYPE)
      // As bytes: to a text Fastify would add a charset, which problem+json does not have.
      .send(Buffer.from(JSON.stringify(toProblem(known, { id: request.id, path }))))
  }
}
