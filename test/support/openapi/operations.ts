import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import type { LightMyRequestResponse } from 'fastify'
import type { TestApp } from '../test-app.js'

export type JsonSchema = Readonly<Record<string, unknown>>

interface Parameter {
  readonly in: 'path' | 'query' | 'header'
  readonly name: string
  readonly required?: boolean
  readonly schema: JsonSchema
}

interface Content {
  readonly content?: Readonly<Record<string, { readonly schema?: JsonSchema }>>
}

/** One operation of the OpenAPI document, as far as tests that are generated from it look at it. */
export interface Operation {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE'
  readonly path: string
  readonly parameters: readonly Parameter[]
  readonly body: JsonSchema | undefined
  readonly responses: Readonly<Record<string, Content>>
  /** Whether a principal is asked for. */
  readonly isProtected: boolean
  /** Open to people in a session, and not to API keys. */
  readonly isForSessions: boolean
  readonly permission: string | undefined
}

/** The document of a running app, taken apart. */
export class OpenApiOperations {
  private readonly ajv = new Ajv2020({ strict: false, validateFormats: false })
  private readonly validators = new Map<string, ValidateFunction>()

  private constructor(
    readonly all: readonly Operation[],
    readonly document: { readonly components: { readonly schemas: Readonly<Record<string, JsonSchema>> } },
  ) {
    this.ajv.addSchema({ $id: 'document', ...document })
  }

  static async of(app: TestApp): Promise<OpenApiOperations> {
    const document = (await app.inject({ url: '/openapi.json' })).json()
    const all = Object.entries<Record<string, Record<string, unknown>>>(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => toOperation(path, method, operation)),
    )
    return new OpenApiOperations(all, document)
  }

  /** What an answer has that the document does not say; null when it keeps to it. */
  violationOf({ method, path, responses }: Operation, answer: LightMyRequestResponse): string | null {
    const status = String(answer.statusCode)
    const documented = responses[status]
    if (!documented) return `undocumented status ${status}: ${answer.body.slice(0, 300)}`
    if (documented.content === undefined) return answer.body === '' ? null : `a body where ${status} has none`
    const type = (answer.headers['content-type'] ?? '').split(';', 1)[0] ?? ''
    const media = documented.content[type]
    if (!media) return `undocumented content type ${type} of ${status}`
    // Not of a stream such as application/x-ndjson, which is no JSON text.
    if (!media.schema || !/[/+]json$/.test(type)) return null
    const validate = this.validatorOf(`${method} ${path} ${status} ${type}`, media.schema)
    return validate(answer.json()) ? null : `${this.ajv.errorsText(validate.errors)}: ${answer.body.slice(0, 300)}`
  }

  /** Whether a body keeps to the operation's schema. */
  accepts({ method, path, body = {} }: Operation, value: unknown): boolean {
    return this.validatorOf(`${method} ${path} body`, body)(value)
  }

  private validatorOf(name: string, schema: JsonSchema): ValidateFunction {
    const known = this.validators.get(name)
    if (known) return known
    const made = this.ajv.compile(JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"document#/')))
    this.validators.set(name, made)
    return made
  }
}

function toOperation(path: string, method: string, operation: Record<string, unknown>): Operation {
  const body = operation['requestBody'] as Content | undefined
  return {
    method: method.toUpperCase() as Operation['method'],
    path,
    parameters: (operation['parameters'] ?? []) as Parameter[],
    body: body?.content?.['application/json']?.schema,
    responses: operation['responses'] as Record<string, Content>,
    isProtected: Array.isArray(operation['security']) && !operation['security'].some(isEmpty),
    isForSessions: operation['x-access'] === 'session',
    permission: operation['x-permission'] as string | undefined,
  }
}

/** An empty requirement among others means: credentials are optional. */
function isEmpty(requirement: object): boolean {
  return Object.keys(requirement).length === 0
}
