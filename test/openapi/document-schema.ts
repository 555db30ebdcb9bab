/** The parts of an OpenAPI 3.1 document that the tests look at. */
export interface OpenApiDocument {
  readonly paths: Record<string, Record<string, Operation>>
  readonly components: {
    readonly schemas: Record<string, object>
    readonly securitySchemes?: Record<string, object>
  }
}

export interface Operation {
  readonly operationId: string
  readonly parameters?: readonly {
    readonly name: string
    readonly in: string
    readonly required?: boolean
    readonly schema?: object
  }[]
  readonly requestBody?: { readonly required?: boolean }
  readonly security?: readonly Record<string, string[]>[]
  readonly responses: Record<string, object>
}

const text = { type: 'string', minLength: 1 }
/** `x-…` is anybody's; all else is spelled out. */
const extensions = { '^x-': true }
/** What a schema may hold is JSON Schema's to say; a validator compiles it elsewhere. */
const schema = { type: ['object', 'boolean'] }
const content = {
  type: 'object',
  minProperties: 1,
  propertyNames: { pattern: '^[a-z]+/[a-z0-9.+-]+$' },
  additionalProperties: {
    type: 'object',
    required: ['schema'],
    properties: { schema, example: true, examples: { type: 'object' } },
    patternProperties: extensions,
    additionalProperties: false,
  },
}

const parameter = {
  type: 'object',
  required: ['name', 'in', 'schema'],
  properties: {
    name: text,
    in: { enum: ['path', 'query', 'header', 'cookie'] },
    required: { type: 'boolean' },
    description: { type: 'string' },
    deprecated: { type: 'boolean' },
    style: { type: 'string' },
    explode: { type: 'boolean' },
    example: true,
    schema,
  },
  patternProperties: extensions,
  additionalProperties: false,
}

const responses = {
  type: 'object',
  minProperties: 1,
  propertyNames: { pattern: '^([1-5][0-9]{2}|default)$' },
  additionalProperties: {
    type: 'object',
    required: ['description'],
    properties: { description: text, content, headers: { type: 'object' }, links: { type: 'object' } },
    patternProperties: extensions,
    additionalProperties: false,
  },
}

const operation = {
  type: 'object',
  required: ['operationId', 'summary', 'tags', 'responses'],
  properties: {
    operationId: text,
    summary: text,
    description: text,
    deprecated: { type: 'boolean' },
    tags: { type: 'array', items: text, minItems: 1 },
    parameters: { type: 'array', items: parameter },
    requestBody: {
      type: 'object',
      required: ['content'],
      properties: { required: { type: 'boolean' }, description: { type: 'string' }, content },
      additionalProperties: false,
    },
    responses,
    security: {
      type: 'array',
      items: { type: 'object', additionalProperties: { type: 'array', items: { type: 'string' } } },
    },
  },
  patternProperties: extensions,
  additionalProperties: false,
}

/** OpenAPI 3.1.x (spec.openapis.org/oas/v3.1.1), as far as our document goes: stricter than the standard, never looser. */
export const documentSchema = {
  type: 'object',
  required: ['openapi', 'info', 'paths', 'components'],
  properties: {
    openapi: { type: 'string', pattern: '^3\\.1\\.\\d+$' },
    info: {
      type: 'object',
      required: ['title', 'version', 'description', 'license'],
      properties: {
        title: text,
        version: text,
        description: text,
        summary: text,
        contact: { type: 'object' },
        license: {
          type: 'object',
          required: ['name'],
          properties: { name: text, url: text, identifier: text },
          additionalProperties: false,
        },
      },
      additionalProperties: false,
    },
    servers: { type: 'array', items: { type: 'object', required: ['url'] } },
    tags: { type: 'array', items: { type: 'object', required: ['name'] } },
    security: { type: 'array' },
    paths: {
      type: 'object',
      minProperties: 1,
      propertyNames: { pattern: '^/' },
      additionalProperties: {
        type: 'object',
        minProperties: 1,
        propertyNames: { enum: ['get', 'put', 'post', 'delete', 'patch', 'head', 'options'] },
        additionalProperties: operation,
      },
    },
    components: {
      type: 'object',
      required: ['schemas', 'securitySchemes'],
      properties: {
        schemas: { type: 'object', propertyNames: { pattern: '^[a-zA-Z0-9._-]+$' }, additionalProperties: schema },
        securitySchemes: {
          type: 'object',
          minProperties: 1,
          additionalProperties: {
            type: 'object',
            required: ['type'],
            properties: { type: { enum: ['http', 'apiKey', 'oauth2', 'openIdConnect', 'mutualTLS'] } },
          },
        },
      },
      additionalProperties: { type: 'object' },
    },
  },
  patternProperties: extensions,
  additionalProperties: false,
}
