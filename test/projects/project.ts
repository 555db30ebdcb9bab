import type { LightMyRequestResponse } from 'fastify'
import type { Project } from '../../src/modules/projects/projects.schemas.js'
import type { Requester } from '../support/test-api-key.js'

export function post(by: Requester, payload: object, key?: string): Promise<LightMyRequestResponse> {
  return by.request({
    method: 'POST',
    url: '/v1/projects',
    payload,
    ...(key !== undefined && { headers: { 'idempotency-key': key } }),
  })
}

/** A project that was added over HTTP. */
export async function add(by: Requester, payload: object = { name: 'Website' }): Promise<Project> {
  const response = await post(by, payload)
  if (response.statusCode !== 201) throw new Error(`adding a project failed: ${response.body}`)
  return response.json()
}

export function get(by: Requester, slug: string): Promise<LightMyRequestResponse> {
  return by.request({ url: `/v1/projects/${slug}` })
}

export function patch(by: Requester, slug: string, payload: object): Promise<LightMyRequestResponse> {
  return by.request({ method: 'PATCH', url: `/v1/projects/${slug}`, payload })
}

/** The project after a change that must succeed. */
export async function change(by: Requester, slug: string, payload: object): Promise<Project> {
  const response = await patch(by, slug, payload)
  if (response.statusCode !== 200) throw new Error(`changing a project failed: ${response.body}`)
  return response.json()
}

export function remove(by: Requester, slug: string): Promise<LightMyRequestResponse> {
  return by.request({ method: 'DELETE', url: `/v1/projects/${slug}` })
}

export function list(by: Requester, query = ''): Promise<LightMyRequestResponse> {
  return by.request({ url: `/v1/projects${query}` })
}

export async function count(by: Requester, query = ''): Promise<number> {
  return (await by.request({ url: `/v1/projects/count${query}` })).json().count
}
