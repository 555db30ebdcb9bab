import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { TestApp } from '../support/test-app.js'

interface Operation {
  readonly operationId: string
  readonly summary?: string
  readonly security?: readonly object[]
  readonly requestBody?: { readonly content: Record<string, { readonly schema: object }> }
  readonly responses: Record<
    string,
    { readonly content?: Record<string, { readonly schema: object }>; readonly headers?: Record<string, object> }
  >
  readonly 'x-permission'?: string
}
interface Document {
  readonly openapi: string
  readonly paths: Record<string, Record<string, Operation>>
  readonly components: { readonly schemas: Record<string, object>; readonly headers: Record<string, object> }
}

const PUBLIC =
  /^(\/health(\/.*)?|\/metrics|\/csp-reports|\/v1\/invitations\/accept|\/v1\/auth\/(register|login|refresh|password\/(forgot|reset)|email\/(verify|verification)))$/
const UNLIMITED = /^\/(health\/(liveness|readiness)|metrics)$/

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

  it('has the routes that clients know', () => {
    const documented = operations.map(({ path, method }) => `${method.toUpperCase()} ${path}`)
    expect(documented).toEqual(
      expect.arrayContaining([
        'GET /health',
        'GET /metrics',
        'GET /v1/agents/{slug}',
        'GET /v1/auth/me',
        'GET /v1/runs/{id}',
        'POST /v1/agents/{slug}/run',
        'POST /v1/auth/login',
      ]),
    )
  })

  it('says of each operation what it does, who may call it and what goes wrong', () => {
    for (const { path, method, operation } of operations) {
      const name = `${method} ${path}`
      expect([name, operation.summary]).toEqual([name, expect.stringMatching(/\w/)])
      const statuses = Object.keys(operation.responses)
      const promised = ['500', '503', ...(UNLIMITED.test(path) ? [] : ['429'])]
      expect([name, statuses]).toEqual([name, expect.arrayContaining(promised)])
      const problems = statuses
        .filter((status) => status >= '400')
        .map((status) => operation.responses[status]?.content)
      for (const content of problems) {
        expect(content).toEqual({ 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } })
      }
      if (operation.security !== undefined)
        expect([name, statuses]).toEqual([name, expect.arrayContaining(['401', '403'])])
    }
  })

  it('leaves open to anyone what is meant to be, and nothing else', () => {
    const open = operations.filter(({ operation }) => operation.security === undefined).map(({ path }) => path)
    expect(open.filter((path) => !PUBLIC.test(path))).toEqual([])
  })

  it('has a schema for every body, and no reference that leads nowhere', () => {
    for (const { path, operation } of operations) {
      const ok = Object.entries(operation.responses).filter(([status]) => status < '300' && status !== '204')
      for (const [, { content }] of ok) expect([path, content]).toEqual([path, expect.anything()])
    }
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)]
    expect(references.length).toBeGreaterThan(10)
    for (const [, name] of references) expect(document.components.schemas).toHaveProperty(String(name))
  })
})
