import type { LightMyRequestResponse } from 'fastify'
import { newId } from '#kernel/ids.js'
import type { Schedule } from '../../src/modules/scheduler/schedules/schedules.schemas.js'
import type { TestApp } from '../support/test-app.js'
import type { Requester } from '../support/test-api-key.js'

/** Not due while tests run. */
export const YEARLY = '30 4 1 1 *'

/** One that is due once a year, unless the payload says otherwise. */
export function post(by: Requester, payload: object, key?: string): Promise<LightMyRequestResponse> {
  return by.request({
    method: 'POST',
    url: '/v1/schedules',
    payload: { name: 'Report', agent: 'developer', task: 'Write a report.', ...payload },
    ...(key !== undefined && { headers: { 'idempotency-key': key } }),
  })
}

/** A schedule that was added over HTTP: yearly, unless the payload says otherwise. */
export async function add(by: Requester, payload: object = { cron: YEARLY }): Promise<Schedule> {
  const response = await post(by, payload)
  if (response.statusCode !== 201) throw new Error(`adding a schedule failed: ${response.body}`)
  return response.json()
}

export function get(by: Requester, id: string): Promise<LightMyRequestResponse> {
  return by.request({ url: `/v1/schedules/${id}` })
}

export async function show(by: Requester, id: string): Promise<Schedule> {
  const response = await get(by, id)
  if (response.statusCode !== 200) throw new Error(`getting a schedule failed: ${response.body}`)
  return response.json()
}

export function patch(by: Requester, id: string, payload: object): Promise<LightMyRequestResponse> {
  return by.request({ method: 'PATCH', url: `/v1/schedules/${id}`, payload })
}

/** The schedule after a change that must succeed. */
export async function change(by: Requester, id: string, payload: object): Promise<Schedule> {
  const response = await patch(by, id, payload)
  if (response.statusCode !== 200) throw new Error(`changing a schedule failed: ${response.body}`)
  return response.json()
}

export function remove(by: Requester, id: string): Promise<LightMyRequestResponse> {
  return by.request({ method: 'DELETE', url: `/v1/schedules/${id}` })
}

export function act(
  by: Requester,
  id: string,
  action: 'pause' | 'resume' | 'trigger',
  key?: string,
): Promise<LightMyRequestResponse> {
  return by.request({
    method: 'POST',
    url: `/v1/schedules/${id}/${action}`,
    ...(key !== undefined && { headers: { 'idempotency-key': key } }),
  })
}

export function backfill(by: Requester, id: string, payload: object, key?: string): Promise<LightMyRequestResponse> {
  return by.request({
    method: 'POST',
    url: `/v1/schedules/${id}/backfill`,
    payload,
    ...(key !== undefined && { headers: { 'idempotency-key': key } }),
  })
}

interface PlantedExecution {
  readonly dueAt?: string
  readonly status?: string
  readonly reason?: string | null
  readonly isQueued?: boolean
}

/** An execution as the ticker would leave it. @returns its id */
export async function plantExecution(
  app: TestApp,
  { tenantId, scheduleId }: { tenantId: string; scheduleId: string },
  { dueAt = new Date().toISOString(), status = 'completed', reason = null, isQueued = false }: PlantedExecution = {},
): Promise<string> {
  const id = newId()
  await app.sql(
    `INSERT INTO task_executions (tenant_id, id, schedule_id, trigger, nominal_at, due_at, fired_at, status, reason, queued_since,
       created_at, finished_at)
     VALUES ($1, $2, $3, 'manual', $4, $4, CASE WHEN $7 THEN NULL ELSE $4::timestamptz + interval '25 ms' END, $5, $6,
       CASE WHEN $7 THEN now() END, now(), CASE WHEN $5 <> 'running' THEN now() END)`,
    [tenantId, id, scheduleId, dueAt, status, reason, isQueued],
  )
  return id
}
