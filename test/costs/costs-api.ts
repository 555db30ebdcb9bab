import type { LightMyRequestResponse } from 'fastify'
import type { Rerating } from '../../src/modules/costs/rerating/rerating.schemas.js'
import type { ModelPrice, ModelPrices } from '../../src/modules/costs/prices/prices.schemas.js'
import type { Requester } from '../support/test-api-key.js'
import type { TestApp } from '../support/test-app.js'

export const ANY_PRICE = { inputUsdPerMillion: '1', outputUsdPerMillion: '2' }

export function putPrice(by: Requester, model: string, payload: object = ANY_PRICE): Promise<LightMyRequestResponse> {
  return by.request({ method: 'PUT', url: `/v1/costs/prices/${model}`, payload })
}

/** @throws Error when it is refused */
export async function setPrice(by: Requester, model: string, payload: object = ANY_PRICE): Promise<ModelPrice> {
  const response = await putPrice(by, model, payload)
  if (response.statusCode !== 200) throw new Error(`setting a price failed: ${response.body}`)
  return response.json()
}

export function getPrices(by: Requester, model: string): Promise<LightMyRequestResponse> {
  return by.request({ url: `/v1/costs/prices/${model}` })
}

export async function pricesOf(by: Requester, model: string): Promise<ModelPrices> {
  const response = await getPrices(by, model)
  if (response.statusCode !== 200) throw new Error(`getting prices failed: ${response.body}`)
  return response.json()
}

export function putPolicy(by: Requester, payload: object): Promise<LightMyRequestResponse> {
  return by.request({ method: 'PUT', url: '/v1/cost-policy', payload })
}

export async function blockUnpriced(by: Requester): Promise<void> {
  const response = await putPolicy(by, { timezone: 'UTC', unpricedModels: 'block' })
  if (response.statusCode !== 200) throw new Error(`setting the policy failed: ${response.body}`)
}

export async function rerate(by: Requester, payload: object = {}): Promise<Rerating> {
  const response = await by.request({ method: 'POST', url: '/v1/costs/rerate', payload })
  if (response.statusCode !== 200) throw new Error(`re-rating failed: ${response.body}`)
  return response.json()
}

/** Of one run or of all, in the order in which they were booked. */
export function entriesOf(
  app: TestApp,
  { tenantId }: { tenantId: string },
  runId: string | null = null,
): Promise<Record<string, unknown>[]> {
  return app.sql(
    'SELECT * FROM cost_tracking WHERE tenant_id = $1 AND ($2::uuid IS NULL OR run_id = $2) ORDER BY created_at, id',
    [tenantId, runId],
  )
}
