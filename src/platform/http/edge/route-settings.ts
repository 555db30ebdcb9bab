import type { FastifyInstance } from 'fastify'
import type { Access } from '../endpoint.js'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Who may call the route; undefined beside the API's own routes. */
    access?: Access
    /** Largest body, where that is not the server's limit. */
    bodyLimitBytes?: number
    /** Whether the route waits as long as `Prefer` says. */
    waits?: boolean
  }
}

/** Gives Fastify what a route's `@Endpoint` says of its body. */
export function applyBodyLimits(fastify: FastifyInstance): void {
  fastify.addHook('onRoute', (route) => {
    const { bodyLimitBytes } = route.config ?? {}
    if (bodyLimitBytes !== undefined) route.bodyLimit = bodyLimitBytes
  })
}
