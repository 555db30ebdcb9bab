import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { setTimeout as sleep } from 'node:timers/promises'
import { add as addProject } from '../projects/project.js'
import { ModelSimulator } from '../support/model-simulator.js'
import { TestApp } from '../support/test-app.js'
import { withClient } from '../support/test-database.js'
import { TestUser } from '../support/test-user.js'

/** Of no form that a pattern for keys would know. */
const PROVIDER_KEY = 'gateway.0123456789abcdef'
const USAGE = { promptTokens: 1000, cachedTokens: 600, completionTokens: 50, reasoningTokens: 20 }
const RUN_FIELDS = [
  'id',
  'agent',
  'agentVersion',
  'project',
  'status',
  'task',
  'output',
  'error',
  'model',
  'usage',
  'costUsd',
  'cache',
  'attempt',
  'parentRunId',
  'scheduleId',
  'metadata',
  'createdAt',
  'startedAt',
  'finishedAt',
  'durationMs',
]
const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const TIMESTAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/
const CITY_SCHEMA = {
  type: 'object',
  additionalProperties: false,
  required: ['city', 'population'],
  properties: { city: { type: 'string' }, population: { type: 'integer' } },
}
const DEVELOPER_RESULT = {
  summary: 'Reverses a text.',
  assumptions: [],
  files: [{ path: 'reverse.ts', action: 'create', content: 'export {}' }],
  tests: [],
  howToVerify: [],
  openQuestions: [],
}

let simulator: ModelSimulator
let app: TestApp
let user: TestUser

beforeAll(async () => {
  simulator = await ModelSimulator.start()
  app = await TestApp.start({ env: { ...modelEnv(), MODEL_MAX_RETRIES: '0' } })
  user = await TestUser.register(app)
})
afterEach(() => simulator.reset())
afterAll(async () => {
  await app?.[Symbol.asyncDispose]()
  await simulator?.stop()
})

function modelEnv() {
  return { OPENAI_BASE_URL: simulator.baseUrl, OPENAI_API_KEY: PROVIDER_KEY, DEFAULT_MODEL: 'openai/gpt-4o-mini' }
}

async function getRun(id: string) {
  const response = await user.request({ method: 'GET', url: `/v1/runs/${id}` })
  expect(response.statusCode).toBe(200)
  return response.json()
}

async function whenFinished(id: string) {
  const deadline = Date.now() + 10_000
  while (Date.now() < deadline) {
    const run = await getRun(id)
    if (['completed', 'failed', 'cancelled'].includes(run.status)) return run
    await sleep(20)
  }
  throw new Error(`run ${id} did not finish`)
}

async function costRowsOf(runId: string): Promise<{ cost_usd: string; input_tokens: string }[]> {
  return withClient(app.database.url, async (client) => {
    const { rows } = await client.query('SELECT cost_usd, input_tokens FROM cost_tracking WHERE run_id = $1', [runId])
    return rows
  })
}

describe('the waiting form', () => {
  it("answers 200 with the contract's run, whole and no more", async () => {
    simulator.reply('It is done.').set({ usage: USAGE })
    const response = await user.run({ task: 'Do it.', metadata: { ticket: 'T-1' } })
    expect(response.statusCode).toBe(200)
    expect(response.headers).not.toHaveProperty('location')
    expect(response.headers).not.toHaveProperty('preference-applied')
    const run = response.json()
    expect(Object.keys(run).sort()).toEqual([...RUN_FIELDS].sort())
    expect(run).toEqual({
      id: expect.stringMatching(UUID_V7),
      agent: 'developer',
      agentVersion: 1,
      project: null,
      status: 'completed',
      task: 'Do it.',
      output: { text: 'It is done.', data: null, citations: [] },
      error: null,
      model: 'openai/gpt-4o-mini',
      usage: { inputTokens: 1000, cachedInputTokens: 600, outputTokens: 50, reasoningTokens: 20, totalTokens: 1050 },
      costUsd: '0.000135',
      cache: 'off',
      attempt: 1,
      parentRunId: null,
      scheduleId: null,
      metadata: { ticket: 'T-1' },
      createdAt: expect.stringMatching(TIMESTAMP),
      startedAt: expect.stringMatching(TIMESTAMP),
      finishedAt: expect.stringMatching(TIMESTAMP),
      durationMs: Date.parse(run.finishedAt) - Date.parse(run.startedAt),
    })
    expect(Date.parse(run.startedAt)).toBeGreaterThanOrEqual(Date.parse(run.createdAt))
    expect(await getRun(run.id)).toEqual(run)
  })

  it('gives the model the agent, the task and the context, and asks for a stream', async () => {
    await user.run({ task: 'Explain the invoice.', context: 'The invoice is of 2026-03-01.' }, { agent: 'qa-tester' })
    const [request] = simulator.requests
    expect(simulator.requests).toHaveLength(1)
    expect(request?.model).toBe('gpt-4o-mini')
    expect(request?.headers.authorization).toBe(`Bearer ${PROVIDER_KEY}`)
    expect(request?.isStream).toBe(true)
    expect(request?.lastUserText).toBe('Explain the invoice.\n\n<context>\nThe invoice is of 2026-03-01.\n</context>')
    const messages = request?.body['messages'] as { role: string; content: string }[]
    expect(messages.map(({ role }) => role)).toEqual(['system', 'user'])
    expect(messages[0]?.content.slice(0, 60)).toContain('You are the QA tester agent')
  })

  it('uses the model that the request names', async () => {
    const run = (await user.run({ task: 'Say hello.', model: 'openai/gpt-5-mini' })).json()
    expect(run.model).toBe('openai/gpt-5-mini')
    expect(simulator.requests.map(({ model }) => model)).toEqual(['gpt-5-mini'])
  })

  it('hands limits.maxTokens to the provider', async () => {
    await user.run({ task: 'Say hello.', limits: { maxTokens: 77 } })
    await user.run({ task: 'Say hello.' })
    expect(simulator.requests.map(({ body }) => body['max_tokens'])).toEqual([77, undefined])
  })

  it('keeps text of the model that a database could not hold as it is', async () => {
    simulator.reply('before\u0000 between \uD83D after')
    const run = (await user.run({ task: 'Say something odd.' })).json()
    expect(run.status).toBe('completed')
    expect(run.output.text).toBe('before\uFFFD between \uFFFD after')
    expect(run.attempt).toBe(1)
  })
})

describe('the answer of the waiting form', () => {
  const HOSTILE = 'a null \\u0000, half a pair \\ud800, ü, 1e2'

  it.each([
    ['completed', {}, () => simulator.reply('It is done.').set({ usage: USAGE })],
    ['completed', {}, () => simulator.reply('one\0two \uD800 three')],
    [
      'completed',
      { outputSchema: { type: 'object' }, metadata: { b: '1', a: '2' } },
      () => simulator.reply(`{"z": 1.50, "a": [1e2, null, "${HOSTILE}"], "big": 12345678901234567}`),
    ],
    ['completed', { model: 'openai/nobody-has-a-price-for-this' }, () => simulator.reply('Free?')],
    ['failed', {}, () => simulator.set({ failure: { status: 500, body: { error: { message: 'no\0thing' } } } })],
    ['failed', { outputSchema: { type: 'object', required: ['a'] } }, () => simulator.reply('{}')],
  ])('is the run as it can be read afterwards: %s, %j', async (status, command, prepare) => {
    prepare()
    const answer = (await user.run({ task: 'Do it.', ...command })).json()
    expect(answer.status).toBe(status)
    expect(await getRun(answer.id)).toEqual(answer)
  })
})

describe('Prefer', () => {
  it('respond-async answers 202 at once, says where to look, and the run goes on', async () => {
    simulator.set({ latencyMs: 300, reply: 'Later.' })
    const response = await user.run({ task: 'Take your time.' }, { prefer: 'respond-async' })
    expect(response.statusCode).toBe(202)
    const accepted = response.json()
    expect(response.headers['location']).toBe(`/v1/runs/${accepted.id}`)
    expect(response.headers['preference-applied']).toBe('respond-async')
    expect(['pending', 'running']).toContain(accepted.status)
    expect(accepted).toMatchObject({ output: null, error: null, finishedAt: null, durationMs: null })
    expect(await whenFinished(accepted.id)).toMatchObject({ status: 'completed', output: { text: 'Later.' } })
  })

  it('wait=1 gives up waiting after a second, and the run goes on', async () => {
    simulator.set({ latencyMs: 1800, reply: 'Slow.' })
    const startedAt = performance.now()
    const response = await user.run({ task: 'Take your time.' }, { prefer: 'wait=1' })
    const elapsedMs = performance.now() - startedAt
    expect(elapsedMs).toBeGreaterThanOrEqual(990)
    expect(elapsedMs).toBeLessThan(1700)
    expect(response.statusCode).toBe(202)
    expect(response.headers['preference-applied']).toBe('wait=1')
    expect(response.headers['location']).toBe(`/v1/runs/${response.json().id}`)
    expect(response.json().status).toBe('running')
    expect(await whenFinished(response.json().id)).toMatchObject({ status: 'completed', output: { text: 'Slow.' } })
  })

  it('wait=30 answers 200 as soon as the run has ended', async () => {
    simulator.set({ latencyMs: 100 })
    const response = await user.run({ task: 'Say hello.' }, { prefer: 'wait=30' })
    expect(response.statusCode).toBe(200)
    expect(response.headers['preference-applied']).toBe('wait=30')
    expect(response.json().durationMs).toBeLessThan(5000)
  })
})

describe('a provider that fails', () => {
  it('fails the run, which is still a 200, and shows nothing of the key that it echoes', async () => {
    const message = `We are sorry. You sent ${PROVIDER_KEY} and sk-proj-0123456789, too.`
    simulator.set({ failure: { status: 500, body: { error: { message } } } })
    const response = await user.run({ task: 'Say hello.' })
    expect(response.statusCode).toBe(200)
    const run = response.json()
    expect(run).toMatchObject({ status: 'failed', output: null, error: { code: 'model_failed' }, attempt: 1 })
    expect(run.error.detail).toBe(
      'openai/gpt-4o-mini: the provider answered 500: We are sorry. You sent [redacted] and [redacted], too.',
    )
    expect(run.usage.totalTokens).toBe(0)
    expect(simulator.requests).toHaveLength(1)
    expect(await costRowsOf(run.id)).toEqual([])
  })

  it('says that the credentials were refused, without the words of the provider', async () => {
    const message = `Incorrect API key provided: ${PROVIDER_KEY}`
    simulator.set({ failure: { status: 401, body: { error: { message } } } })
    const run = (await user.run({ task: 'Say hello.' })).json()
    expect(run.error).toEqual({
      code: 'model_failed',
      detail: "openai/gpt-4o-mini: the provider refused this server's credentials (401).",
    })
  })

  it('fails the run when the answer does not parse', async () => {
    simulator.set({ isMalformed: true })
    const run = (await user.run({ task: 'Say hello.' })).json()
    expect(run).toMatchObject({ status: 'failed', error: { code: 'model_failed' } })
  })

  it('fails the run when the provider hangs up', async () => {
    simulator.set({ hangUp: 'before-headers' })
    const run = (await user.run({ task: 'Say hello.' })).json()
    expect(run).toMatchObject({ status: 'failed', error: { code: 'model_failed' } })
  })

  it('ends a run at limits.timeoutSeconds, and the call with it', async () => {
    simulator.set({ hang: 'before-headers' })
    const run = (await user.run({ task: 'Say hello.', limits: { timeoutSeconds: 1 } })).json()
    expect(run).toMatchObject({ status: 'failed', output: null, error: { code: 'run_timeout' }, attempt: 1 })
    expect(run.durationMs).toBeGreaterThanOrEqual(900)
    expect(run.durationMs).toBeLessThan(3000)
    await simulator.settled()
    expect(simulator.requests.map(({ outcome }) => outcome)).toEqual(['disconnected'])
  })

  describe('with retries', () => {
    let patient: TestApp
    let patientUser: TestUser

    beforeAll(async () => {
      // A database of its own: a run must not be taken by the app that does not retry.
      patient = await TestApp.start({ env: { ...modelEnv(), MODEL_MAX_RETRIES: '2' } })
      patientUser = await TestUser.register(patient)
    })
    afterAll(() => patient?.[Symbol.asyncDispose]())

    it('waits for as long as Retry-After says, then is answered within the same attempt', async () => {
      simulator.next({ failure: { status: 429, retryAfter: 3 } })
      const run = (await patientUser.run({ task: 'Say hello.' })).json()
      expect(run).toMatchObject({ status: 'completed', attempt: 1 })
      const [first, second] = simulator.requests
      expect(simulator.requests.map(({ status }) => status)).toEqual([429, 200])
      const pauseMs = Number(second?.receivedAt) - Number(first?.receivedAt)
      // Its own back-off would have been 2 s.
      expect(pauseMs).toBeGreaterThanOrEqual(2950)
      expect(pauseMs).toBeLessThan(5000)
    })

    it('gives up after the retries that the operator allows', async () => {
      simulator.set({ failure: { status: 429, retryAfter: 0 } })
      const run = (await patientUser.run({ task: 'Say hello.' })).json()
      expect(run.error).toEqual({
        code: 'model_failed',
        detail: 'openai/gpt-4o-mini: the provider limits the rate (429), and went on doing so.',
      })
      expect(simulator.requests).toHaveLength(3)
    })

    it('does not retry what will not get better', async () => {
      simulator.set({ failure: { status: 400 } })
      const run = (await patientUser.run({ task: 'Say hello.' })).json()
      expect(run.status).toBe('failed')
      expect(simulator.requests).toHaveLength(1)
    })
  })
})

describe('structured output', () => {
  it('gives the answer that matches outputSchema as output.data', async () => {
    simulator.reply('{"city":"Paris","population":2100000}')
    const run = (await user.run({ task: 'Describe Paris.', outputSchema: CITY_SCHEMA })).json()
    expect(run.status).toBe('completed')
    expect(run.output).toEqual({
      text: '{"city":"Paris","population":2100000}',
      data: { city: 'Paris', population: 2_100_000 },
      citations: [],
    })
    expect(simulator.requests[0]?.body['response_format']).toMatchObject({
      type: 'json_schema',
      json_schema: { schema: CITY_SCHEMA },
    })
  })

  it.each([
    ['JSON of another form', '{"city":"Paris"}', /does not match outputSchema: .*population/],
    ['no JSON', 'Paris is large.', /does not match outputSchema: it is not JSON/],
    ['JSON that is nested too deep', `${'['.repeat(5000)}${']'.repeat(5000)}`, /nested more than 100 deep/],
    ['JSON that was cut', '{"city":"Paris","popul', /does not match outputSchema: it is not JSON/],
  ])('fails the run on %s twice, and counts what both answers used', async (_what, reply, detail) => {
    simulator.set({ reply, usage: USAGE })
    const run = (await user.run({ task: 'Describe Paris.', outputSchema: CITY_SCHEMA })).json()
    expect(run).toMatchObject({
      status: 'failed',
      output: null,
      error: { code: 'output_invalid', detail: expect.stringMatching(detail) },
      usage: { inputTokens: 2000, cachedInputTokens: 1200, outputTokens: 100, reasoningTokens: 40, totalTokens: 2100 },
      costUsd: '0.00027',
    })
    expect(simulator.requests).toHaveLength(2)
    const row = { cost_usd: '0.000135', input_tokens: '1000' }
    expect(await costRowsOf(run.id)).toEqual([row, row])
  })

  it("finds the agent's own result in the last fenced block", async () => {
    simulator.reply(`Here it is.\n\n\`\`\`json\n${JSON.stringify(DEVELOPER_RESULT)}\n\`\`\`\n`)
    const run = (await user.run({ task: 'Reverse a text.' })).json()
    expect(run.output.data).toEqual(DEVELOPER_RESULT)
    expect(run.output.text).toContain('Here it is.')
  })

  it("leaves data null when the block is not of the agent's form", async () => {
    simulator.reply('Here it is.\n\n```json\n{"summary":"short"}\n```\n')
    const run = (await user.run({ task: 'Reverse a text.' })).json()
    expect(run).toMatchObject({ status: 'completed', output: { data: null } })
  })

  it('accepts a property that is called pattern', async () => {
    simulator.reply('{"pattern":"stripes"}')
    const outputSchema = { type: 'object', properties: { pattern: { type: 'string' } }, required: ['pattern'] }
    const run = (await user.run({ task: 'Describe the shirt.', outputSchema })).json()
    expect(run.output.data).toEqual({ pattern: 'stripes' })
  })

  it.each([
    ['is no schema', { type: 'cities' }],
    ['refers to itself', { $ref: '#' }],
    ['refers to its own parts', { $defs: { a: {} }, allOf: [{ $ref: '#/$defs/a' }] }],
    ['has too many parts', { allOf: Array.from({ length: 400 }, () => ({ not: {} })) }],
    ['refers to another server', { $ref: 'https://example.com/schema.json' }],
    ['runs a regular expression', { type: 'string', pattern: '^(a+)+$' }],
    ['names properties by a regular expression', { patternProperties: { '^(a+)+$': {} } }],
    ['is asynchronous', { $async: true, type: 'object', required: ['city'] }],
    ['is nested too deep', nested(100)],
    ['is too large', { description: 'x'.repeat(20_001) }],
  ])('refuses an outputSchema that %s, and starts nothing', async (_what, outputSchema) => {
    const response = await user.run({ task: 'Describe Paris.', outputSchema })
    expect(response.statusCode).toBe(400)
    expect(response.json()).toMatchObject({ code: 'validation_failed', errors: [{ pointer: '/outputSchema' }] })
    expect(simulator.requests).toHaveLength(0)
  })

  it.each([
    ['a null character', '{"description":"\\u0000"}', 'must not contain null characters or broken text'],
    ['a number that JSON cannot give back', '{"minimum":1e309}', 'must not contain numbers beyond 1.8e308'],
  ])('refuses an outputSchema with %s', async (_what, outputSchema, detail) => {
    const response = await user.request({
      method: 'POST',
      url: '/v1/agents/developer/run',
      headers: { 'content-type': 'application/json' },
      payload: `{"task":"x","outputSchema":${outputSchema}}`,
    })
    expect(response.json().errors).toEqual([{ pointer: '/outputSchema', detail }])
  })

  it('refuses an outputSchema that is nested deeper than the stack', async () => {
    const depth = 25_000
    const response = await user.request({
      method: 'POST',
      url: '/v1/agents/developer/run',
      headers: { 'content-type': 'application/json' },
      payload: `{"task":"x","outputSchema":${'{"items":'.repeat(depth)}{}${'}'.repeat(depth)}}`,
    })
    expect(response.statusCode).toBe(400)
    expect(response.json().errors).toEqual([{ pointer: '/outputSchema', detail: 'must be nested at most 20 deep' }])
  })
})

describe('validation', () => {
  it('trims the task, and takes 5000 characters of it', async () => {
    const response = await user.run({ task: `  ${'x'.repeat(5000)}\n` })
    expect(response.statusCode).toBe(200)
    expect(response.json().task).toBe('x'.repeat(5000))
  })

  it('takes a context of 100 000 characters', async () => {
    const response = await user.run({ task: 'Read it.', context: 'x'.repeat(100_000) })
    expect(response.json().status).toBe('completed')
    expect(simulator.requests[0]?.lastUserText.match(/x{100000}/)).not.toBeNull()
  })

  it.each([
    ['no task', {}, '/task'],
    ['a task of spaces', { task: ' \n ' }, '/task'],
    ['a task of 5001 characters', { task: 'x'.repeat(5001) }, '/task'],
    ['a task with a null character', { task: 'a\u0000b' }, '/task'],
    ['a task that is no text', { task: 7 }, '/task'],
    ['a context of 100 001 characters', { task: 'x', context: 'x'.repeat(100_001) }, '/context'],
    ['a context with a null character', { task: 'x', context: '\u0000' }, '/context'],
    ['a model without a provider', { task: 'x', model: 'gpt-4o-mini' }, '/model'],
    ['a model of a provider that is not configured', { task: 'x', model: 'anthropic/claude-sonnet-4-5' }, '/model'],
    ['a project that does not exist', { task: 'x', project: 'nowhere' }, '/project'],
    ['a project with a null character', { task: 'x', project: 'a\u0000' }, '/project'],
    ['17 pairs of metadata', { task: 'x', metadata: pairs(17) }, '/metadata'],
    [
      'a metadata key of 65 characters',
      { task: 'x', metadata: { ['k'.repeat(65)]: 'v' } },
      `/metadata/${'k'.repeat(65)}`,
    ],
    ['a metadata value of 513 characters', { task: 'x', metadata: { key: 'v'.repeat(513) } }, '/metadata/key'],
    ['a metadata value that is no text', { task: 'x', metadata: { key: 1 } }, '/metadata/key'],
    ['a metadata value with a null character', { task: 'x', metadata: { key: '\u0000' } }, '/metadata/key'],
    ['an unknown key', { task: 'x', tasks: [] }, '/tasks'],
    ['an unknown limit', { task: 'x', limits: { maxDollars: 1 } }, '/limits/maxDollars'],
    ['a limit of no tokens', { task: 'x', limits: { maxTokens: 0 } }, '/limits/maxTokens'],
    ['knowledge', { task: 'x', knowledge: { collections: ['manuals'] } }, '/knowledge'],
    ['a cost limit that is a float', { task: 'x', limits: { maxCostUsd: 0.5 } }, '/limits/maxCostUsd'],
    [
      'a cost limit of a model that has no price',
      { task: 'x', model: 'openai/house-model', limits: { maxCostUsd: '0.50' } },
      '/limits/maxCostUsd',
    ],
  ])('refuses %s, says where it is, and starts nothing', async (_what, payload, pointer) => {
    const before = await countRuns()
    const response = await user.run(payload)
    expect(response.statusCode).toBe(400)
    expect(response.headers['content-type']).toBe('application/problem+json')
    expect(response.json()).toMatchObject({ code: 'validation_failed', errors: [{ pointer }] })
    expect(await countRuns()).toBe(before)
    expect(simulator.requests).toHaveLength(0)
  })

  it('takes 16 pairs of metadata, and half a surrogate pair in them', async () => {
    const response = await user.run({ task: 'x \uD83D', metadata: { ...pairs(15), odd: '\uD83D' } })
    expect(response.statusCode).toBe(200)
    expect(Object.keys(response.json().metadata)).toHaveLength(16)
  })

  it.each(['plumber', 'Developer', 'developer%00', '..%2Fdeveloper'])('has no agent %s', async (agent) => {
    const response = await user.run({ task: 'x' }, { agent })
    expect(response.statusCode).toBe(404)
    expect(response.json().code).toBe('not_found')
  })
})

describe('projects', () => {
  it("puts a run in one of the tenant's own projects, and in nobody else's", async () => {
    const stranger = await TestUser.register(app)
    await addProject(user)
    const run = (await user.run({ task: 'Say hello.', project: 'website' })).json()
    expect(run.project).toBe('website')
    const foreign = await stranger.run({ task: 'Say hello.', project: 'website' })
    expect(foreign.statusCode).toBe(400)
    expect(foreign.json().errors).toEqual([{ pointer: '/project', detail: 'There is no such project.' }])
  })
})

async function countRuns(): Promise<number> {
  return (await user.request({ method: 'GET', url: '/v1/runs/count' })).json().count
}

function pairs(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`key${index}`, 'value']))
}

function nested(depth: number): object {
  let schema: object = { type: 'string' }
  for (let level = 0; level < depth; level += 1) schema = { items: schema }
  return schema
}
