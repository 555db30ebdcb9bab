import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { sample } from 'fast-check'
import type { InjectOptions, LightMyRequestResponse } from 'fastify'
import { newId } from '#kernel/ids.js'
import { permissionsOf } from '../../src/modules/auth/permissions.js'
import type { Permission, Role } from '#platform/http/principal.js'
import { arbitraryOf } from '../support/openapi/arbitrary.js'
import { type Operation, OpenApiOperations } from '../support/openapi/operations.js'
import { createAgent } from '../support/own-agent.js'
import { expectProblem } from '../support/problem.js'
import { TestApp } from '../support/test-app.js'
import { PASSWORD, TestUser } from '../support/test-user.js'
import { plantDeliveries, plantReplay } from '../support/webhook-rows.js'
import { ask } from '../approvals/asked-approval.js'
import { setPrice } from '../costs/costs-api.js'
import { add as addProject } from '../projects/project.js'
import { addBudget } from '../costs/budget-lab.js'
import { add as addSchedule, plantExecution, YEARLY } from '../scheduler/schedule.js'

const SAMPLES = 100
const TIME_LIMIT_MS = 300_000
/** Where a sample could break a rule that the document cannot tell, and be refused before the path is looked at. */
const BODIES: Readonly<Record<string, object>> = {
  'POST /v1/agents/{slug}/run': { task: 'Something to do.' },
  'PATCH /v1/agents/{slug}': { name: 'Another name' },
  'POST /v1/schedules': { name: 'A schedule', agent: 'developer', task: 'Something to do.', cron: YEARLY },
  'PATCH /v1/schedules/{id}': { name: 'Another name' },
  'POST /v1/schedules/{id}/backfill': { from: '2026-01-01T00:00:00Z', to: '2026-01-02T00:00:00Z' },
  'POST /v1/schedules/preview': { cron: YEARLY },
  'POST /v1/costs/budgets': { scope: 'tenant', period: 'day', limitUsd: '1000000' },
  'PATCH /v1/costs/budgets/{id}': { limitUsd: '1000000' },
  'PUT /v1/schedule-policy': { minIntervalSeconds: 60 },
  'PUT /v1/costs/prices/{provider}/{model}': { inputUsdPerMillion: '1', outputUsdPerMillion: '2' },
  'PUT /v1/cost-policy': { timezone: 'UTC', unpricedModels: 'allow' },
  'POST /v1/costs/rerate': {},
  'POST /v1/webhooks/{id}/replay': { since: '2026-01-01T00:00:00Z' },
}

/** What they name is nobody's: each tenant says for itself what any model costs. */
const OF_NOBODY: ReadonlySet<string> = new Set(['PUT /v1/costs/prices/{provider}/{model}'])

let app: TestApp
let owner: TestUser
let other: TestUser
let api: OpenApiOperations
let viewer: TestUser
let member: TestUser
/** An object of the owner's tenant for each path parameter, so that the other tenant names what exists. */
let ids: Record<string, string>

beforeAll(async () => {
  app = await TestApp.start()
  owner = await TestUser.register(app)
  other = await TestUser.register(app)
  viewer = await join('viewer')
  member = await join('member')
  ids = await makeObjects(owner)
  api = await OpenApiOperations.of(app)
})
afterAll(async () => app[Symbol.asyncDispose]())

describe('every operation of the document', () => {
  it('is refused without credentials, with wrong ones and with revoked ones, if it asks for any', async () => {
    const revoked = await TestUser.register(app)
    expect((await revoked.request({ url: '/v1/auth/me' })).statusCode).toBe(200)
    await revoked.request({ method: 'POST', url: '/v1/auth/logout-all' })
    const attempts: Record<string, string>[] = [
      {},
      { authorization: 'Bearer nonsense' },
      { 'x-api-key': 'tn_nonsense' },
      { authorization: `Bearer ${revoked.accessToken}` },
    ]
    const guarded = api.all.filter(({ isProtected }) => isProtected)
    expect(guarded.length).toBeGreaterThan(8)
    for (const operation of guarded) {
      for (const headers of attempts) {
        const answer = await send(operation, headers)
        expect([nameOf(operation), headers, answer.statusCode]).toEqual([nameOf(operation), headers, 401])
        if (operation.method !== 'GET' || answer.body !== '')
          expectProblem(answer, { status: 401, code: 'unauthenticated' })
      }
    }
  })

  it.each(['viewer', 'member', 'owner'] as const)(
    'lets a %s do what his permissions say, and nothing else',
    async (role) => {
      for (const operation of api.all.filter(({ isProtected }) => isProtected)) {
        const answer = await send(operation, await freshHeaders(role))
        const isAllowed = operation.permission === undefined || may(role, operation.permission)
        const isRefused = answer.statusCode === 403 && answer.body.includes('This needs the permission')
        expect([nameOf(operation), isRefused]).toEqual([nameOf(operation), !isAllowed])
        if (isAllowed) expect([nameOf(operation), answer.statusCode]).not.toEqual([nameOf(operation), 401])
      }
    },
    TIME_LIMIT_MS,
  )

  it(
    'answers another tenant that names existing objects as if they had never been',
    async () => {
      const named = api.all.filter(
        (operation) => operation.isProtected && operation.path.includes('{') && !OF_NOBODY.has(nameOf(operation)),
      )
      expect(named.length).toBeGreaterThan(0)
      // Of another owner: the tests before may have used the first one's up.
      ids = await makeObjects(await TestUser.register(app))
      for (const operation of named) {
        const headers = { authorization: `Bearer ${other.accessToken}` }
        const [existing, invented] = [await send(operation, headers), await send(operation, headers, () => newId())]
        const [seen, unseen] = [existing, invented].map((answer) => ({
          status: answer.statusCode,
          detail: answer.json().detail,
        }))
        expect([nameOf(operation), seen?.status]).toEqual([nameOf(operation), 404])
        expect([nameOf(operation), seen]).toEqual([nameOf(operation), unseen])
      }
    },
    TIME_LIMIT_MS,
  )
})

const nameOf = ({ method, path }: Operation): string => `${method} ${path}`

function may(role: Role, permission: string): boolean {
  return permissionsOf(role).has(permission as Permission)
}

/** A request that the schema allows, with the owner's objects where the path names one. */
function send(
  operation: Operation,
  headers: Record<string, string>,
  idFor: (noun: string) => string = (noun) => ids[noun] ?? newId(),
): Promise<LightMyRequestResponse> {
  const url = operation.path.replaceAll(/(\w[\w-]*)\/\{\w+\}/g, (_, noun: string) => `${noun}/${idFor(noun)}`)
  const body = operation.body && (BODIES[nameOf(operation)] ?? sampleOf(operation))
  const request: InjectOptions = { method: operation.method, url, headers: { prefer: 'respond-async', ...headers } }
  if (body === undefined) return app.inject(request)
  const type = { 'content-type': 'application/json' }
  return app.inject({ ...request, headers: { ...type, ...request.headers }, payload: JSON.stringify(body) })
}

function sampleOf(operation: Operation): unknown {
  const { body = {} } = operation
  const bodies = sample(arbitraryOf(body, api.document.components.schemas), { numRuns: SAMPLES, seed: 7 })
  return bodies.find((candidate) => api.accepts(operation, candidate))
}

/** The member is a bystander: whoever is asked to remove himself leaves. */
async function makeObjects(of: TestUser): Promise<Record<string, string>> {
  const run = (await of.run({ task: 'Something to look for.' })).json()
  const bystander = await join('viewer', of)
  const payload = { email: `invited-${newId()}@example.com` }
  const invitation = (await of.request({ method: 'POST', url: '/v1/invitations', payload })).json()
  // Ours, so that asking it is refused at once and reaches nobody.
  const server = { name: `server-${newId()}`.slice(0, 40), url: 'http://localhost/mcp' }
  const mcpServer = (await of.request({ method: 'POST', url: '/v1/mcp-servers', payload: server })).json()
  const hook = { url: 'https://receiver.invalid/hook', events: ['run.failed'] }
  const webhook = (await of.request({ method: 'POST', url: '/v1/webhooks', payload: hook })).json()
  const agent = (await createAgent(of)).json()
  const webhookKey = { tenantId: of.tenantId, webhookId: webhook.id }
  const [delivery] = await plantDeliveries(app, webhookKey)
  const schedule = await addSchedule(of)
  // A model's name is left as the document has it.
  await setPrice(of, 'house/{model}')
  const budget = await addBudget(of, { hard: false })
  return {
    agents: agent.slug,
    versions: String(agent.version),
    runs: run.id,
    'mcp-servers': mcpServer.id,
    webhooks: webhook.id,
    approvals: (await ask(app, { tenantId: of.tenantId, runId: run.id })).id,
    members: bystander.userId,
    invitations: invitation.id,
    sessions: await sessionIdOf(of),
    'webhook-deliveries': delivery!.id,
    replays: await plantReplay(app, webhookKey),
    schedules: schedule.id,
    prices: 'house',
    projects: (await addProject(of)).slug,
    budgets: budget.id,
    executions: await plantExecution(app, { tenantId: of.tenantId, scheduleId: schedule.id }),
  }
}

/** A session of its own for each request: some of them end it. */
async function freshHeaders(role: 'viewer' | 'member' | 'owner'): Promise<Record<string, string>> {
  const { email } = { viewer, member, owner }[role]
  const payload = { email, password: PASSWORD, tenantId: owner.tenantId }
  const { accessToken } = (await app.inject({ method: 'POST', url: '/v1/auth/login', payload })).json()
  return { authorization: `Bearer ${accessToken}` }
}

async function join(role: Role, { tenantId } = owner): Promise<TestUser> {
  const user = await TestUser.register(app)
  await app.sql('INSERT INTO memberships (tenant_id, user_id, role, created_at) VALUES ($1, $2, $3, now())', [
    tenantId,
    user.userId,
    role,
  ])
  return user
}

async function sessionIdOf(user: TestUser): Promise<string> {
  return (await user.request({ url: '/v1/auth/sessions' })).json().data[0].id
}
