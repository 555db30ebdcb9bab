import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'

interface Operation {
  readonly operationId: string
  readonly summary?: string
  readonly security?: readonly object[]
  readonly requestBody?: { readonly content: Record<string, { readonly schema: object }> }
  readonly responses: Record<string, { readonly content?: Record<string, { readonly schema: object }> }>
  readonly 'x-permission'?: string
}
interface Document {
  readonly openapi: string
  readonly paths: Record<string, Record<string, Operation>>
  readonly components: { readonly schemas: Record<string, object> }
}

const PUBLIC = /^(\/health|\/metrics|\/v1\/auth\/(register|login|refresh)$)/

describe('the OpenAPI document', () => {
  let app: TestApp
  let document: Document
  let operations: { path: string; method: string; operation: Operation }[]

  beforeAll(async () => {
    app = await TestApp.start()
    document = (await app.inject({ url: '/openapi.json' })).json()
    operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
    )
  })
  afterAll(async () => app[Symbol.asyncDispose]())

  it('is version 3.1 and can be read at /docs', async () => {
    expect(document.openapi).toBe('3.1.0')
    const page = await app.inject({ url: '/docs' })
    expect([page.statusCode, page.headers['content-type']]).toEqual([200, expect.stringMatching(/^text\/html/)])
  })

  it('has every route of the API, and no other', () => {
    const documented = operations.map(({ path, method }) => `${method.toUpperCase()} ${path}`).sort()
    expect(documented).toEqual([
      'GET /health',
      'GET /health/liveness',
      'GET /health/readiness',
      'GET /metrics',
      'GET /v1/agents',
      'GET /v1/agents/{slug}',
      'GET /v1/audit-log',
      'GET /v1/audit-log/export.csv',
      'GET /v1/audit-log/export.ndjson',
      'GET /v1/audit-log/verify',
      'GET /v1/auth/me',
      'GET /v1/runs',
      'GET /v1/runs/count',
      'GET /v1/runs/{id}',
      'POST /v1/admin/cache/clear',
      'POST /v1/agents/{slug}/run',
      'POST /v1/auth/login',
      'POST /v1/auth/refresh',
      'POST /v1/auth/register',
    ])
  })

  it('says of each operation what it does, who may call it and what goes wrong', () => {
    for (const { path, operation } of operations) {
      expect(operation.summary).toBeTruthy()
      const statuses = Object.keys(operation.responses)
      expect(statuses).toEqual(expect.arrayContaining(['500', '503']))
      const problems = statuses
        .filter((status) => status >= '400')
        .map((status) => operation.responses[status]?.content)
      for (const content of problems) {
        expect(content).toEqual({ 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } })
      }
      if (PUBLIC.test(path)) expect(operation.security).toBeUndefined()
      else expect([operation.security?.length, statuses]).toEqual([1, expect.arrayContaining(['401', '403'])])
      const isNamed = PUBLIC.test(path) || path === '/v1/auth/me' || operation['x-permission'] !== undefined
      expect([path, isNamed]).toEqual([path, true])
    }
  })

  it('has a schema for every body, and no reference that leads nowhere', () => {
    for (const { path, method, operation } of operations) {
      const ok = Object.entries(operation.responses).filter(([status]) => status < '300')
      for (const [, { content }] of ok)
        expect([path, content !== undefined || path === '/metrics']).toEqual([path, true])
      expect([path, operation.requestBody !== undefined]).toEqual([path, method === 'post'])
    }
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)]
    expect(references.length).toBeGreaterThan(10)
    for (const [, name] of references) expect(document.components.schemas).toHaveProperty(String(name))
  })

  it('describes what the server answers', async () => {
    const user = await TestUser.register(app)
    const { id } = (await user.run({ task: 'Describe.', context: 'A run has an output.' })).json()
    const ajv = new Ajv2020({ strict: false, validateFormats: false })
    ajv.addSchema({ $id: 'document', ...document })
    const gets = operations.filter(
      ({ method, operation }) => method === 'get' && operation.responses['200']?.content?.['application/json'],
    )
    for (const { path, operation } of gets) {
      const response = await user.request({ url: path.replace('{id}', id).replace('{slug}', 'developer') })
      expect([path, response.statusCode]).toEqual([path, 200])
      const schema = operation.responses['200']?.content?.['application/json']?.schema ?? false
      const validate = ajv.compile(JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"document#/')))
      expect([path, validate(response.json()), validate.errors]).toEqual([path, true, null])
    }
  })
})
