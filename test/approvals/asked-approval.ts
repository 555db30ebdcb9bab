import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { LightMyRequestResponse } from 'fastify'
import { newId } from '#kernel/ids.js'
import { Database } from '#platform/database/database.js'
import { EventBus } from '#platform/events/event-bus.js'
import { ApprovalDecided, type ApprovalRequest, Approvals, type RequestedApproval } from '#modules/approvals'
import type { Approval } from '../../src/modules/approvals/approvals.schemas.js'
import type { ApprovalPolicy } from '../../src/modules/approvals/policies/approval-policies.schemas.js'
import type { TestApp } from '../support/test-app.js'
import type { Requester } from '../support/test-api-key.js'

const POLL_MS = 20
const WAIT_LIMIT_MS = 10_000

/** A run that works on nothing: approvals look at its row alone. */
export async function plantRun(app: TestApp, tenantId: string): Promise<string> {
  const runId = newId()
  await app.sql(
    `INSERT INTO runs (tenant_id, id, root_run_id, agent, agent_version, status, task, model, input, created_at)
     VALUES ($1, $2, $2, 'developer', 1, 'waiting_approval', 'x', 'offline/extractive', '{}', now())`,
    [tenantId, runId],
  )
  return runId
}

/** What a run does when it asks. */
export async function ask(
  app: TestApp,
  request: Partial<ApprovalRequest> & Pick<ApprovalRequest, 'tenantId'>,
): Promise<RequestedApproval & { runId: string }> {
  const { tenantId, runId = await plantRun(app, tenantId) } = request
  const complete: ApprovalRequest = {
    id: newId(),
    position: 3,
    agent: 'developer',
    reason: 'tool',
    tool: 'http_request',
    arguments: { url: 'https://example.com' },
    requestedBy: null,
    ...request,
    runId,
  }
  const asked = await app.nest
    .get(Database)
    .transaction({ tenantId }, (tx) => app.nest.get(Approvals).request(complete, tx))
  return { ...asked, runId }
}

/** The time for these decisions is over; it is in whole milliseconds, as always. */
export async function letTimePass(app: TestApp, ids: readonly string[]): Promise<void> {
  await app.sql(
    `UPDATE approvals SET expires_at = date_trunc('milliseconds', now()) - interval '1 s' WHERE id = ANY ($1::uuid[])`,
    [ids],
  )
}

export function decide(
  by: Requester,
  verb: 'approve' | 'reject',
  id: string,
  { payload, key }: { payload?: object; key?: string } = {},
): Promise<LightMyRequestResponse> {
  return by.request({
    method: 'POST',
    url: `/v1/approvals/${id}/${verb}`,
    ...(payload !== undefined && { payload }),
    ...(key !== undefined && { headers: { 'idempotency-key': key } }),
  })
}

export async function getApproval(by: Requester, id: string): Promise<Approval> {
  const response = await by.request({ url: `/v1/approvals/${id}` })
  if (response.statusCode !== 200) throw new Error(`getting an approval failed: ${response.body}`)
  return response.json()
}

export function setPolicy(by: Requester, policy: Partial<ApprovalPolicy> = {}): Promise<LightMyRequestResponse> {
  const payload = { requesterMayDecide: true, expiresAfterSeconds: 3600, defaultDecision: 'reject', ...policy }
  return by.request({ method: 'PUT', url: '/v1/approvals/policy', payload })
}

export async function whenDecided(by: Requester, id: string): Promise<Approval> {
  const deadline = Date.now() + WAIT_LIMIT_MS
  while (Date.now() < deadline) {
    const approval = await getApproval(by, id)
    if (approval.status !== 'pending') return approval
    await sleep(POLL_MS)
  }
  throw new Error('the approval is still pending')
}

/** Keeps the transaction that decides this approval open, from `isHeld` until `letGo`. */
export function holdDecision(app: TestApp, id: string): { isHeld: Promise<void>; letGo: () => void } {
  const [held, free] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  app.nest.get(EventBus).subscribe(ApprovalDecided, async ({ approvalId }) => {
    if (approvalId !== id) return
    held.resolve()
    await free.promise
  })
  return { isHeld: held.promise, letGo: () => free.resolve() }
}

export const newKey = (): string => randomUUID()
