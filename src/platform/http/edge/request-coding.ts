import type { FastifyInstance } from 'fastify'
import { AppError } from '#kernel/app-error.js'

const UTF_8 = /^utf-?8$/i
const CHARSET_PATTERN = /;\s*charset\s*=\s*"?([^";\s]*)"?/i

/** Refuses bodies that we would read as something else than their sender meant: another charset, or compressed ones. */
export function refuseForeignCodings(fastify: FastifyInstance): void {
  fastify.addHook('onRequest', ({ raw: { headers } }, _reply, done) => {
    if (headers['content-encoding'] !== undefined && headers['content-encoding'] !== 'identity') {
      return done(unsupported('Send the body as it is, without a Content-Encoding.'))
    }
    const charset = CHARSET_PATTERN.exec(headers['content-type'] ?? '')?.[1]
    if (charset !== undefined && !UTF_8.test(charset)) return done(unsupported('Send the body in UTF-8.'))
    done()
  })
}

function unsupported(detail: string): AppError {
  return new AppError('unsupported_media_type', 'unsupported_media_type', { detail })
}
