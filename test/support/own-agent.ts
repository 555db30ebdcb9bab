import type { LightMyRequestResponse } from 'fastify'
import type { Requester } from './test-api-key.js'

/** What an agent cannot be without. */
export const MINIMAL_AGENT = { slug: 'translator', name: 'Translator', instructions: 'Translate into French.' }

export function createAgent(maker: Requester, fields: object = {}): Promise<LightMyRequestResponse> {
  return maker.request({ method: 'POST', url: '/v1/agents', payload: { ...MINIMAL_AGENT, ...fields } })
}

export function updateAgent(
  maker: Requester,
  changes: object,
  slug: string = MINIMAL_AGENT.slug,
): Promise<LightMyRequestResponse> {
  return maker.request({ method: 'PATCH', url: `/v1/agents/${slug}`, payload: changes })
}

export function deleteAgent(maker: Requester, slug: string = MINIMAL_AGENT.slug): Promise<LightMyRequestResponse> {
  return maker.request({ method: 'DELETE', url: `/v1/agents/${slug}` })
}
