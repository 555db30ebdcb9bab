import type { FastifyInstance } from 'fastify'
import { AppError } from '#kernel/app-error.js'

/** Of these Node takes the first, and a proxy before us may have judged the last. */
const ONCE = ['host', 'authorization', 'content-type']
const LENGTHS = new Set(ONCE.map(({ length }) => length))

/** Refuses requests that name one of these twice (RFC 9110 §5.3, RFC 9112 §3.2). */
export function refuseRepeatedHeaders(fastify: FastifyInstance): void {
  fastify.addHook('onRequest', ({ raw: { rawHeaders } }, _reply, done) => {
    let seen = 0
    for (let index = 0; index < rawHeaders.length; index += 2) {
      const name = rawHeaders[index]!
      if (!LENGTHS.has(name.length)) continue
      const bit = 1 << (ONCE.indexOf(name.toLowerCase()) + 1)
      // Bit 0 stands for all the others.
      if (bit !== 1 && (seen & bit) !== 0) return done(repeated(name))
      seen |= bit
    }
    done()
  })
}

function repeated(name: string): AppError {
  return new AppError('validation_failed', 'invalid', { detail: `The header ${name} may be sent once.` })
}
