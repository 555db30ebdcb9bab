import { applyDecorators, HttpCode, SetMetadata, UseInterceptors } from '@nestjs/common'
import { RouteConfig } from '@nestjs/platform-fastify'
import { ApiBearerAuth, ApiExtension, ApiHeader, ApiOperation, ApiResponse, ApiSecurity } from '@nestjs/swagger'
import type { z } from 'zod'
import { IdempotencyInterceptor } from './idempotency/idempotency.interceptor.js'
import { IDEMPOTENCY_KEY_PATTERN, MAX_IDEMPOTENCY_KEY_LENGTH } from './idempotency/idempotency-key.js'
import { problemSchema, PROBLEM_CONTENT_TYPE } from './problem.js'
import { type Permission, PERMISSIONS } from './principal.js'
import { RATE_LIMIT_HEADER_REFERENCES, RETRY_AFTER_REFERENCE } from './rate-limits/rate-limit-headers.js'
import type { RouteLimit } from './rate-limits/route-limit.js'

/**
 * `public`: anyone, credentials are not looked at; `optional`: anyone, but credentials that are sent must be valid;
 * `lenient`: anyone, and credentials that are not valid any more are as none;
 * `authenticated`: any principal; `session`: a person, not an API key; else the permission that the route names.
 */
export type Access = 'public' | 'optional' | 'lenient' | 'authenticated' | 'session' | Permission

/** Name of the OpenAPI security scheme of API keys in a header of their own. */
export const API_KEY_SCHEME = 'apiKey'
/** Metadata key of a route's access. The guard refuses a route that has none. */
export const ACCESS_METADATA = 'temponest:access'
/** Metadata key of a route's own rate limit, beside the tier that its caller is in. */
export const RATE_LIMIT_METADATA = 'temponest:rate-limit'

interface Answer {
  readonly status: number
  readonly description: string
  readonly schema?: z.ZodType
  /** Of a body that is no JSON; beside a schema: of what the client can have instead. The schema has an id then. */
  readonly mediaType?: string
}

export interface EndpointOptions {
  readonly summary: string
  readonly description?: string
  readonly access: Access
  /**
   * The route creates or triggers something: `Idempotency-Key` makes it happen once. Its service calls `Idempotency.bind` or
   * `complete` in the transaction of the write. For routes with a principal; their keys are per tenant.
   */
  readonly idempotent?: boolean
  /** A limit of the route's own beside its caller's tier; `none`: not even the tier counts. */
  readonly rateLimit?: RouteLimit | 'none'
  /** Largest body, where that is not `BODY_LIMIT_BYTES`. */
  readonly bodyLimitBytes?: number
  /** It waits as long as `Prefer` says, on top of the HANDLER_TIMEOUT_MS that every route has. */
  readonly waits?: boolean
  /** What the route answers when all goes well, the usual status first. */
  readonly answers: readonly [Answer, ...Answer[]]
  /** Statuses of the problems that this route adds to those that any route can answer. */
  readonly problems?: readonly (400 | 401 | 402 | 403 | 404 | 409 | 422 | 502)[]
}

/** 400: a request can be malformed whatever it asks for. */
const PROBLEMS_OF_ALL = [400, 500, 503]
const PROBLEMS_OF_PROTECTED = [401, 403]
const PROBLEMS_OF_IDEMPOTENT = [400, 409, 422]
const RATE_LIMITED = 429
const PROBLEM_WORDS: Record<number, string> = {
  400: 'A field is invalid, or the request malformed.',
  401: 'No valid token or API key.',
  402: 'The budget does not allow it.',
  403: 'The permission is missing.',
  404: 'Not found, or not yours.',
  409: 'The state does not allow it.',
  422: 'The idempotency key was used with another body.',
  429: 'Too many requests; see Retry-After.',
  500: 'Our fault.',
  502: 'A server that this stands on failed.',
  503: 'Not available just now; see Retry-After.',
}

const IDEMPOTENCY_KEY_PARAMETER = {
  name: 'Idempotency-Key',
  required: false,
  description:
    'Makes the request happen once, however often it is sent within 24 hours; repetitions get the first answer.',
  schema: { type: 'string' as const, maxLength: MAX_IDEMPOTENCY_KEY_LENGTH, pattern: IDEMPOTENCY_KEY_PATTERN.source },
}

/** Declares a route once: who may call it, and what the OpenAPI document says of it. */
export function Endpoint(options: EndpointOptions): MethodDecorator {
  const { access, answers, bodyLimitBytes, waits, problems = [] } = options
  const isPublic = access === 'public' || access === 'optional'
  // A credential of some kind it does ask for; the document knows no kind but these.
  const isOfSession = access === 'session' || access === 'lenient'
  const isLimited = options.rateLimit !== 'none'
  const statuses = new Set([
    ...problems,
    ...(isPublic ? [] : PROBLEMS_OF_PROTECTED),
    ...(options.idempotent ? PROBLEMS_OF_IDEMPOTENT : []),
    ...(isLimited ? [RATE_LIMITED] : []),
    ...PROBLEMS_OF_ALL,
  ])
  const headersOf = (status: number) => ({
    ...(isLimited && RATE_LIMIT_HEADER_REFERENCES),
    ...(status === RATE_LIMITED && RETRY_AFTER_REFERENCE),
  })
  const isPermission = isPermissionAccess(access)
  return applyDecorators(
    SetMetadata(ACCESS_METADATA, access),
    SetMetadata(RATE_LIMIT_METADATA, options.rateLimit),
    RouteConfig({ access, ...(bodyLimitBytes && { bodyLimitBytes }), ...(waits && { waits }) }),
    HttpCode(answers[0].status),
    ApiOperation({
      summary: options.summary,
      ...(options.description && { description: options.description }),
    }),
    ...(isPublic ? [] : [ApiBearerAuth()]),
    ...(isPublic || isOfSession ? [] : [ApiSecurity(API_KEY_SCHEME)]),
    ...(isPermission ? [ApiExtension('x-permission', access)] : []),
    ...(isOfSession ? [ApiExtension('x-access', 'session')] : []),
    ...answers.map(({ status, description, schema, mediaType }) =>
      ApiResponse({
        status,
        description,
        headers: headersOf(status),
        ...(mediaType === undefined
          ? schema && { standardSchema: schema }
          : { content: { ...(schema && jsonContent(schema)), [mediaType]: { schema: { type: 'string' } } } }),
      }),
    ),
    ...(options.idempotent ? [UseInterceptors(IdempotencyInterceptor), ApiHeader(IDEMPOTENCY_KEY_PARAMETER)] : []),
    ...[...statuses]
      .sort((a, b) => a - b)
      .map((status) =>
        ApiResponse({
          status,
          description: PROBLEM_WORDS[status] ?? 'A problem.',
          headers: headersOf(status),
          content: { [PROBLEM_CONTENT_TYPE]: { schema: { $ref: `#/components/schemas/${problemSchema.meta()?.id}` } } },
        }),
      ),
  )
}

function jsonContent(schema: z.ZodType) {
  return { 'application/json': { schema: { $ref: `#/components/schemas/${schema.meta()?.id}` } } }
}

export function isPermissionAccess(access: Access): access is Permission {
  return (PERMISSIONS as readonly string[]).includes(access)
}
