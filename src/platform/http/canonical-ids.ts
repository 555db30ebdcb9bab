import type { FastifyInstance } from 'fastify'
import { isUuid } from '#kernel/ids.js'

/**
 * Spells the ids of a path as the database does. A UUID may come in upper case (RFC 9562 §4), and PostgreSQL finds its row;
 * but what the id is then used for in the process, the name of an epoch, say, must be one text.
 */
export function spellIdsAsStored(fastify: FastifyInstance): void {
  fastify.addHook('preValidation', (request, _reply, done) => {
    const params = request.params as Record<string, string>
    for (const name in params) {
      const value = params[name]
      if (value !== undefined && isUuid(value)) params[name] = value.toLowerCase()
    }
    done()
  })
}
