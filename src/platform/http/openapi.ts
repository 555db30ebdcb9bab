import type { INestApplication } from '@nestjs/common'
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger'
import { z } from 'zod'
import { PROBLEM_CONTENT_TYPE, problemSchema } from './problem.js'
import { RATE_LIMIT_HEADER_COMPONENTS } from './rate-limits/rate-limit-headers.js'

/** What any body can be refused for before a route sees it. */
const PROBLEMS_OF_BODIES = { 413: 'The body is too large.', 415: 'The body is of another content type.' }

/** Wherever the document was read from. Not internal: clients of the API are who it is for. */
const SERVER = { url: '/', description: 'This server: local, staging or production.', 'x-internal': false }

/** The OpenAPI 3.1 document, made from the routes and their Zod schemas. */
export function buildOpenApiDocument(app: INestApplication, version: string): OpenAPIObject {
  const options = new DocumentBuilder()
    .setTitle('TempoNest')
    .setDescription('Run AI agents as a service. Errors are RFC 9457 problem+json; lists page with an opaque cursor.')
    .setVersion(version)
    .setLicense('MIT', 'https://opensource.org/license/mit')
    .setOpenAPIVersion('3.1.0')
    .addBearerAuth({
      type: 'http',
      scheme: 'bearer',
      bearerFormat: 'JWT',
      description:
        'An access token (JWT, checked as RFC8725 advises: algorithm, type, issuer and audience are pinned).',
    })
    .build()
  const document = SwaggerModule.createDocument(app, options, {
    operationIdFactory: (controller, method) => `${controller.replace(/Controller$/, '')}_${method}`,
    standardSchemaConverter: (schema, { schemaType }) => convert(schema, schemaType),
  })
  const problem = convert(problemSchema, 'output')
  Object.assign(((document.components ??= {}).schemas ??= {}), problem?.components)
  Object.assign((document.components.headers ??= {}), RATE_LIMIT_HEADER_COMPONENTS)
  describeBodyProblems(document)
  document.tags = tagsOf(document)
  document.servers = [SERVER]
  return document
}

/** Every tag that an operation has, in the order in which they first occur. */
function tagsOf(document: OpenAPIObject): { name: string }[] {
  const operations = Object.values(document.paths).flatMap(({ get, post, put, patch, delete: remove }) => [
    get,
    post,
    put,
    patch,
    remove,
  ])
  return [...new Set(operations.flatMap((operation) => operation?.tags ?? []))].map((name) => ({ name }))
}

function describeBodyProblems(document: OpenAPIObject): void {
  const content = { [PROBLEM_CONTENT_TYPE]: { schema: { $ref: '#/components/schemas/Problem' } } }
  for (const { post, put, patch } of Object.values(document.paths)) {
    for (const operation of [post, put, patch]) {
      if (!operation?.requestBody) continue
      for (const [status, description] of Object.entries(PROBLEMS_OF_BODIES)) {
        operation.responses[status] = { description, content }
      }
    }
  }
}

/** Serves the document at `/openapi.json`; `docs-page.ts` serves the page to read it with. */
export function serveOpenApi(app: INestApplication, document: OpenAPIObject): void {
  SwaggerModule.setup('docs', app, document, { jsonDocumentUrl: 'openapi.json', raw: ['json'], ui: false })
}

/** A Zod schema as JSON Schema 2020-12, which is what OpenAPI 3.1 holds; schemas with an id become components. */
function convert(schema: unknown, schemaType: 'input' | 'output') {
  if (!(schema instanceof z.ZodType)) return undefined
  const converted = z.toJSONSchema(schema, {
    target: 'draft-2020-12',
    io: schemaType,
    unrepresentable: 'any',
    override: ({ jsonSchema }) => {
      if (jsonSchema.type === 'integer') jsonSchema.format = 'int64'
    },
  })
  const { $defs = {}, $schema: _, id, ...root } = converted as Record<string, unknown> & { id?: string }
  const components = stripIds($defs as Record<string, object>)
  if (id === undefined) return { schema: root, components }
  return { schema: { $ref: `#/components/schemas/${id}` }, components: { ...components, [id]: root } }
}

/** Zod repeats a component's name inside it as `id`, a keyword that OpenAPI does not know. */
function stripIds(definitions: Record<string, object>): Record<string, object> {
  return Object.fromEntries(
    Object.entries(definitions).map(([name, definition]) => {
      const { id: _, ...rest } = definition as { id?: unknown }
      return [name, rest]
    }),
  )
}
