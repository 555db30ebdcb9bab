import type { FastifyRequest } from 'fastify'
import { readableAddress, UNREADABLE } from './client-network.js'

const MAX_USER_AGENT_LENGTH = 256

/** Where a session is used from, as its owner recognises it in the list. */
export interface ClientInfo {
  readonly address: string
  readonly userAgent: string | null
}

export function clientInfoOf({ ip, headers }: FastifyRequest): ClientInfo {
  return {
    address: readableAddress(ip) ?? UNREADABLE,
    userAgent: headers['user-agent']?.slice(0, MAX_USER_AGENT_LENGTH) ?? null,
  }
}
