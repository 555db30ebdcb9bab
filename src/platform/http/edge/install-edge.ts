import type { FastifyInstance } from 'fastify'
import type { Settings } from '../../config/settings.js'
import { endDeadline, limitHandlers } from './answer-deadline.js'
import { AnswerEncoder } from './answer-encoder.js'
import { shedLoad } from './pressure.js'
import { assertPlainUtf8 } from './request-coding.js'
import { assertNoneRepeated } from './request-headers.js'
import { applyBodyLimits } from './route-settings.js'

interface EdgeOptions {
  readonly settings: Settings
  /** What every answer says, beside its id. */
  readonly securityHeaders: Readonly<Record<string, string>>
}

/**
 * What stands between the network and every route. Before all other hooks: what those answer passes through here, too.
 * One hook for several things where that is possible, since each costs every request.
 */
export function installEdge(fastify: FastifyInstance, { settings, securityHeaders }: EdgeOptions): void {
  const encoder = new AnswerEncoder()
  fastify.addHook('onRequest', (request, reply, done) => {
    void reply.headers(securityHeaders).header('x-request-id', request.id)
    assertNoneRepeated(request.raw.rawHeaders)
    assertPlainUtf8(request.raw.headers)
    done()
  })
  applyBodyLimits(fastify)
  shedLoad(fastify, settings)
  limitHandlers(fastify, settings.HANDLER_TIMEOUT_MS)
  fastify.addHook('onSend', (request, reply, payload, done) => {
    endDeadline(reply)
    encoder.encode(request, reply, payload, done)
  })
}
