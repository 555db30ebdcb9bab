import type { FastifyInstance } from 'fastify'
import type { Settings } from '../../config/settings.js'
import { limitHandlers } from './answer-deadline.js'
import { AnswerEncoder } from './answer-encoder.js'
import { shedLoad } from './pressure.js'
import { refuseForeignCodings } from './request-coding.js'
import { refuseRepeatedHeaders } from './request-headers.js'
import { applyBodyLimits } from './route-settings.js'

interface EdgeOptions {
  readonly settings: Settings
  /** What every answer says, beside its id. */
  readonly securityHeaders: Readonly<Record<string, string>>
}

/** What stands between the network and every route. Before all other hooks: what those answer passes through here, too. */
export function installEdge(fastify: FastifyInstance, { settings, securityHeaders }: EdgeOptions): void {
  fastify.addHook('onRequest', (request, reply, done) => {
    void reply.headers(securityHeaders).header('x-request-id', request.id)
    done()
  })
  refuseRepeatedHeaders(fastify)
  refuseForeignCodings(fastify)
  applyBodyLimits(fastify)
  shedLoad(fastify, settings)
  limitHandlers(fastify, settings.HANDLER_TIMEOUT_MS)
  fastify.addHook('onSend', new AnswerEncoder().onSend)
}
