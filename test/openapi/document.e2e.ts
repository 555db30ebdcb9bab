import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { TestApp } from '../support/test-app.js'
import { documentSchema, type Operation, type OpenApiDocument } from './document-schema.js'

/** Formats that our schemas name; what they accept is not this test's business. */
const FORMATS = ['uuid', 'date-time', 'email', 'uri', 'int64']
/** Pages and files, which are for people and not of the API; and a name with slashes, which the API has as one parameter. */
const NOT_OF_THE_API = /^\/(docs|openapi\.json)|\*$/

let app: TestApp
let document: OpenApiDocument
let operations: { readonly path: string; readonly method: string; readonly operation: Operation }[]

beforeAll(async () => {
  app = await TestApp.start()
  document = (await app.inject({ url: '/openapi.json' })).json()
  operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  )
})
afterAll(async () => app[Symbol.asyncDispose]())

/** The routes that Fastify has, as `GET /v1/runs/{id}`, read from its own tree: four characters a level. */
function readRoutes(tree: string): string[] {
  const ancestors: string[] = []
  return tree.split('\n').flatMap((line) => {
    const [, indent = '', segment = '', methods = ''] = /^([│ ]*)[├└]── (\S+) \(([^)]*)\)$/.exec(line) ?? []
    const level = indent.length / 4
    ancestors.length = level
    ancestors[level] = segment
    const path = ancestors.join('').replaceAll(/:(\w+)/g, '{$1}')
    return methods
      .split(', ')
      .filter((method) => method !== '' && method !== 'HEAD' && !NOT_OF_THE_API.test(path))
      .map((method) => `${method} ${path}`)
  })
}

/** To decide says it all, a comment is a person's own choice; and a browser's token is in its cookie. */
const WITH_OPTIONAL_BODY = new Set([
  '/v1/approvals/{id}/approve',
  '/v1/approvals/{id}/reject',
  '/v1/webhooks/{id}/rotate-secret',
  '/v1/webhooks/{id}/test',
  '/v1/auth/refresh',
])

describe('the OpenAPI document', () => {
  it('has the form that OpenAPI 3.1 demands', () => {
    const validate = new Ajv2020({ allErrors: true, strictRequired: false, allowUnionTypes: true }).compile(
      documentSchema,
    )
    expect([validate(document), validate.errors]).toEqual([true, null])
  })

  it('has exactly the routes that the server has', () => {
    const fastify = app.nest.getHttpAdapter().getInstance()
    const routes = readRoutes(fastify.printRoutes({ commonPrefix: false }))
    expect(routes).toContain('POST /v1/agents/{slug}/run')
    const documented = operations.map(({ path, method }) => `${method.toUpperCase()} ${path}`)
    expect([...documented].sort()).toEqual([...routes].sort())
  })

  it('names every operation once', () => {
    const ids = operations.map(({ operation }) => operation.operationId)
    expect(new Set(ids).size).toBe(ids.length)
  })

  it('declares exactly the parameters that each path has', () => {
    for (const { path, operation } of operations) {
      const inPath = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path')
      const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
      expect([path, inPath.map(({ name }) => name)]).toEqual([path, names])
      expect(inPath.every(({ required }) => required === true)).toBe(true)
    }
  })

  it.each([
    ['/v1/runs', ['project', 'agent', 'status', 'from', 'to', 'parentRunId', 'limit', 'cursor']],
    ['/v1/runs/count', ['project', 'agent', 'status', 'from', 'to', 'parentRunId']],
    ['/v1/agents', ['limit', 'cursor']],
    ['/v1/approvals', ['status', 'runId', 'limit', 'cursor']],
    ['/v1/api-keys', ['limit', 'cursor']],
    ['/v1/mcp-servers', ['limit', 'cursor']],
    ['/v1/webhooks', ['limit', 'cursor']],
    ['/v1/webhook-events', ['limit', 'cursor']],
    ['/v1/projects', ['status', 'limit', 'cursor']],
    ['/v1/projects/count', ['status']],
    ['/v1/schedules', ['project', 'agent', 'active', 'limit', 'cursor']],
    ['/v1/schedules/{id}/executions', ['status', 'from', 'to', 'limit', 'cursor']],
    ['/v1/schedule-executions', ['status', 'from', 'to', 'limit', 'cursor']],
    ['/v1/audit-log', ['q', 'actor', 'action', 'resource', 'from', 'to', 'limit', 'cursor']],
    ['/v1/audit-log/verify', []],
    ['/v1/audit-log/export.csv', ['q', 'actor', 'action', 'resource', 'from', 'to']],
  ])('declares the query of %s, none of it required', (path, names) => {
    const inQuery = (document.paths[path]?.['get']?.parameters ?? []).filter((parameter) => parameter.in === 'query')
    expect(inQuery.map(({ name }) => name).sort()).toEqual([...names].sort())
    expect(inQuery.filter(({ required }) => required === true)).toEqual([])
    expect(inQuery.every(({ schema }) => schema !== undefined && Object.keys(schema).length > 0)).toBe(true)
  })

  it('says of each body that it may be too large, of another type, or invalid', () => {
    const withBody = operations.filter(({ operation }) => operation.requestBody)
    expect(withBody.length).toBeGreaterThanOrEqual(4)
    for (const { path, operation } of withBody) {
      expect([path, Object.keys(operation.responses)]).toEqual([path, expect.arrayContaining(['400', '413', '415'])])
      expect([path, operation.requestBody?.required]).toEqual([path, !WITH_OPTIONAL_BODY.has(path)])
    }
  })

  it('asks for security schemes that it defines', () => {
    const schemes = Object.keys(document.components.securitySchemes ?? {})
    const asked = operations.flatMap(({ operation }) => (operation.security ?? []).flatMap((one) => Object.keys(one)))
    expect(asked.length).toBeGreaterThan(0)
    for (const name of asked) expect(schemes).toContain(name)
  })

  it('has component schemas that a strict validator compiles', () => {
    const ajv = new Ajv2020({ strict: true, formats: Object.fromEntries(FORMATS.map((format) => [format, true])) })
    const definitions = JSON.stringify(document.components.schemas).replaceAll('"#/components/schemas/', '"#/$defs/')
    ajv.addSchema({ $id: 'components', $defs: JSON.parse(definitions) })
    const names = Object.keys(document.components.schemas)
    expect(names).toEqual(expect.arrayContaining(['Problem', 'Run', 'RunSummary', 'StartRun', 'TokenPair', 'Agent']))
    for (const name of names) {
      expect(() => ajv.compile({ $ref: `components#/$defs/${name}` })).not.toThrow()
    }
  })

  it('refuses unknown keys of bodies where the server does', () => {
    for (const name of [
      'Register',
      'Login',
      'Refresh',
      'StartRun',
      'CreateApiKey',
      'CreateMcpServer',
      'CreateWebhook',
      'CreateSchedule',
      'ChangeSchedule',
      'ScheduleInput',
      'CreateProject',
      'ChangeProject',
    ]) {
      expect([name, document.components.schemas[name]]).toEqual([
        name,
        expect.objectContaining({ type: 'object', additionalProperties: false }),
      ])
    }
  })
})
