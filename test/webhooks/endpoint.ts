import type { LightMyRequestResponse } from 'fastify'
import type { Webhook, WebhookWithSecret } from '../../src/modules/webhooks/endpoints/webhooks.schemas.js'
import type { TestApp } from '../support/test-app.js'
import type { Requester } from '../support/test-api-key.js'

/** A name that never resolves (RFC 6761), so that nothing leaves the machine. */
export const RECEIVER = 'https://receiver.invalid/hook'

export function post(by: Requester, payload: object, key?: string): Promise<LightMyRequestResponse> {
  return by.request({
    method: 'POST',
    url: '/v1/webhooks',
    payload: { url: RECEIVER, events: ['*'], ...payload },
    ...(key !== undefined && { headers: { 'idempotency-key': key } }),
  })
}

/** An endpoint that was added over HTTP. */
export async function add(by: Requester, payload: object = {}): Promise<WebhookWithSecret> {
  const response = await post(by, payload)
  if (response.statusCode !== 201) throw new Error(`adding a webhook failed: ${response.body}`)
  return response.json()
}

export function patch(by: Requester, id: string, payload: object): Promise<LightMyRequestResponse> {
  return by.request({ method: 'PATCH', url: `/v1/webhooks/${id}`, payload })
}

export function get(by: Requester, id: string): Promise<LightMyRequestResponse> {
  return by.request({ url: `/v1/webhooks/${id}` })
}

export async function show(by: Requester, id: string): Promise<Webhook> {
  const response = await get(by, id)
  if (response.statusCode !== 200) throw new Error(`getting a webhook failed: ${response.body}`)
  return response.json()
}

export function remove(by: Requester, id: string): Promise<LightMyRequestResponse> {
  return by.request({ method: 'DELETE', url: `/v1/webhooks/${id}` })
}

export function rotate(by: Requester, id: string, payload?: object, key?: string): Promise<LightMyRequestResponse> {
  return by.request({
    method: 'POST',
    url: `/v1/webhooks/${id}/rotate-secret`,
    ...(payload && { payload }),
    ...(key !== undefined && { headers: { 'idempotency-key': key } }),
  })
}

export function sendTest(by: Requester, id: string, payload?: object, key?: string): Promise<LightMyRequestResponse> {
  return by.request({
    method: 'POST',
    url: `/v1/webhooks/${id}/test`,
    ...(payload && { payload }),
    ...(key !== undefined && { headers: { 'idempotency-key': key } }),
  })
}

/** Types of what an endpoint has to be told, oldest first. */
export async function typesToldTo(app: TestApp, webhookId: string): Promise<unknown[]> {
  const rows = await app.sql(
    'SELECT event_type FROM webhook_deliveries WHERE webhook_id = $1 ORDER BY created_at, id',
    [webhookId],
  )
  return rows.map((row) => row['event_type'])
}
