import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals'
import { add as addProject } from '../projects/project.js'
import { Colleague } from '../support/colleague.js'
import { ModelSimulator } from '../support/model-simulator.js'
import { createAgent, updateAgent } from '../support/own-agent.js'
import { expectProblem } from '../support/problem.js'
import { getRun, simulatorEnv, whenFinished, whenRun } from '../support/run-states.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'

const SCHEMA = { type: 'object', required: ['city'], properties: { city: { type: 'string' } } }
const COMMAND = {
  task: 'Name the capital.',
  context: 'The country is France.',
  project: 'website',
  model: 'openai/gpt-5-mini',
  outputSchema: SCHEMA,
  limits: { maxTokens: 500, timeoutSeconds: 30 },
  metadata: { ticket: 'T-1' },
}

let simulator: ModelSimulator
let app: TestApp
let user: TestUser

beforeAll(async () => {
  simulator = await ModelSimulator.start()
  app = await TestApp.start({
    env: { ...simulatorEnv(simulator), FALLBACK_MODELS: 'anthropic/claude-sonnet-4-5' },
  })
  user = await TestUser.register(app)
  await addProject(user)
})
afterEach(() => simulator.reset())
afterAll(async () => {
  await app?.[Symbol.asyncDispose]()
  await simulator?.stop()
})

const retry = (id: string, { by = user, key }: { by?: Pick<TestUser, 'request'>; key?: string } = {}) =>
  by.request({
    method: 'POST',
    url: `/v1/runs/${id}/retry`,
    ...(key !== undefined && { headers: { 'idempotency-key': key } }),
  })

it.each([
  ['completed', '{"city":"Paris"}'],
  ['failed', 'no JSON'],
])('starts a %s run anew: another run of the same command', async (status, reply) => {
  simulator.reply(reply)
  const first = (await user.run(COMMAND)).json()
  expect(first.status).toBe(status)
  const before = simulator.requests.length
  simulator.reply('{"city":"Lyon"}')
  const response = await retry(first.id)
  expect(response.statusCode).toBe(202)
  const { id } = response.json()
  expect(id).not.toBe(first.id)
  expect(response.headers['location']).toBe(`/v1/runs/${id}`)
  const { task, model, project, metadata, agent, agentVersion } = first
  expect(await whenFinished(user, id)).toMatchObject({
    status: 'completed',
    output: { data: { city: 'Lyon' } },
    attempt: 1,
    task,
    model,
    project,
    metadata,
    agent,
    agentVersion,
  })
  const [asked, again] = [simulator.requests[0], simulator.requests[before]]
  expect(again?.body).toEqual(asked?.body)
  expect(await getRun(user, first.id)).toEqual(first)
})

it("uses the agent's version of today", async () => {
  await createAgent(user, { slug: 'poet' })
  const first = (await user.run({ task: 'Write.' }, { agent: 'poet' })).json()
  await updateAgent(user, { instructions: 'Write in Greek.' }, 'poet')
  const second = await whenFinished(user, (await retry(first.id)).json().id)
  expect([first.agentVersion, second.agentVersion]).toEqual([1, 2])
  expect(simulator.requests.at(-1)?.text).toContain('Write in Greek.')
})

it('asks for the same approval again', async () => {
  const asked = (await user.run({ task: 'Ask first.', requireApproval: true }, { prefer: 'respond-async' })).json()
  await user.request({ method: 'POST', url: `/v1/runs/${asked.id}/cancel` })
  await whenFinished(user, asked.id)
  const { id } = (await retry(asked.id)).json()
  await whenRun(user, id, ({ status }) => status === 'waiting_approval')
  const approvals = (await user.request({ url: '/v1/approvals?status=pending' })).json().data
  expect(approvals).toMatchObject([{ runId: id, reason: 'run' }])
  await user.request({ method: 'POST', url: `/v1/runs/${id}/cancel` })
})

it('with an Idempotency-Key starts one run, however often it is sent', async () => {
  const first = (await user.run({ task: 'Once more.' })).json()
  const answers = [await retry(first.id, { key: 'again' }), await retry(first.id, { key: 'again' })]
  expect(answers.map(({ statusCode }) => statusCode)).toEqual([202, 202])
  const [one, two] = answers
  expect(two?.json()).toEqual(one?.json())
  expect(two?.headers['idempotent-replayed']).toBe('true')
  expect(two?.headers['location']).toBe(one?.headers['location'])
  await whenFinished(user, one?.json().id)
  expect(simulator.requests).toHaveLength(2)
})

it('is refused for a run that has not ended', async () => {
  simulator.set({ hang: 'before-headers' })
  const { id } = (await user.run({ task: 'Hang.' }, { prefer: 'respond-async' })).json()
  const problem = expectProblem(await retry(id), { status: 409, code: 'run_not_finished' })
  expect(problem.detail).toContain('running')
  await user.request({ method: 'POST', url: `/v1/runs/${id}/cancel` })
  await whenFinished(user, id)
})

it('is refused to another tenant, as for a run that never was, and to who may only read', async () => {
  const { id } = (await user.run({ task: 'Mine.' })).json()
  const stranger = await TestUser.register(app)
  const viewer = await Colleague.join(app, user, 'viewer')
  const foreign = expectProblem(await retry(id, { by: stranger }), { status: 404, code: 'not_found' })
  const missing = expectProblem(await retry('0198f7a1-0000-7000-8000-000000000000'), { status: 404, code: 'not_found' })
  expect(foreign.detail).toBe(missing.detail)
  expectProblem(await retry(id, { by: viewer }), { status: 403, code: 'forbidden' })
  expect(simulator.requests).toHaveLength(1)
})
