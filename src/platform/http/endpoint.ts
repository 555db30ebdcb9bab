import { applyDecorators, HttpCode, SetMetadata } from '@nestjs/common'
import { ApiBearerAuth, ApiExtension, ApiOperation, ApiResponse } from '@nestjs/swagger'
import type { z } from 'zod'
import { problemSchema, PROBLEM_CONTENT_TYPE } from './problem.js'
import { type Permission, PERMISSIONS } from './principal.js'
import type { RouteLimit } from './rate-limits/route-limit.js'

/**
 * `public`: anyone, credentials are not looked at; `optional`: anyone, but credentials that are sent must be valid;
 * `authenticated`: any principal; `session`: a person, not an API key; else the permission that the route names.
 */
export type Access = 'public' | 'optional' | 'authenticated' | 'session' | Permission

/** Metadata key of a route's access. The guard refuses a route that has none. */
export const ACCESS_METADATA = 'temponest:access'
/** Metadata key: whether `Idempotency-Key` works on a route. */
export const IDEMPOTENT_METADATA = 'temponest:idempotent'
/** Metadata key of a route's own rate limit, beside the tier that its caller is in. */
export const RATE_LIMIT_METADATA = 'temponest:rate-limit'

interface Answer {
  readonly status: number
  readonly description: string
  readonly schema?: z.ZodType
  /** Of a text that is no JSON, in place of a schema. */
  readonly contentType?: string
}

export interface EndpointOptions {
  readonly summary: string
  readonly description?: string
  readonly access: Access
  /** The route creates or triggers something: `Idempotency-Key` makes it happen once. */
  readonly idempotent?: boolean
  /** A limit of the route's own beside its caller's tier; `none`: not even the tier counts. */
  readonly rateLimit?: RouteLimit | 'none'
  /** What the route answers when all goes well, the usual status first. */
  readonly answers: readonly [Answer, ...Answer[]]
  /** Statuses of the problems that this route adds to those that any route can answer. */
  readonly problems?: readonly (400 | 401 | 402 | 404 | 409 | 422)[]
}

const PROBLEMS_OF_ALL = [500, 503]
const PROBLEMS_OF_PROTECTED = [401, 403]
const PROBLEM_WORDS: Record<number, string> = {
  400: 'A field is invalid.',
  401: 'No valid token.',
  402: 'The budget does not allow it.',
  403: 'The permission is missing.',
  404: 'Not found, or not yours.',
  409: 'The state does not allow it.',
  422: 'The idempotency key was used with another body.',
  500: 'Our fault.',
  503: 'Not available just now; see Retry-After.',
}

/** Declares a route once: who may call it, and what the OpenAPI document says of it. */
export function Endpoint(options: EndpointOptions): MethodDecorator {
  const { access, answers, problems = [] } = options
  const isPublic = access === 'public' || access === 'optional'
  const statuses = [...new Set([...problems, ...(isPublic ? [] : PROBLEMS_OF_PROTECTED), ...PROBLEMS_OF_ALL])].sort(
    (a, b) => a - b,
  )
  const isPermission = isPermissionAccess(access)
  return applyDecorators(
    SetMetadata(ACCESS_METADATA, access),
    SetMetadata(IDEMPOTENT_METADATA, options.idempotent ?? false),
    SetMetadata(RATE_LIMIT_METADATA, options.rateLimit),
    HttpCode(answers[0].status),
    ApiOperation({
      summary: options.summary,
      ...(options.description && { description: options.description }),
    }),
    ...(isPublic ? [] : [ApiBearerAuth()]),
    ...(isPermission ? [ApiExtension('x-permission', access)] : []),
    ...answers.map(({ status, description, schema, contentType }) =>
      ApiResponse({
        status,
        description,
        ...(schema && { standardSchema: schema }),
        ...(contentType !== undefined && { content: { [contentType]: { schema: { type: 'string' } } } }),
      }),
    ),
    ...statuses.map((status) =>
      ApiResponse({
        status,
        description: PROBLEM_WORDS[status] ?? 'A problem.',
        content: { [PROBLEM_CONTENT_TYPE]: { schema: { $ref: `#/components/schemas/${problemSchema.meta()?.id}` } } },
      }),
    ),
  )
}

export function isPermissionAccess(access: Access): access is Permission {
  return (PERMISSIONS as readonly string[]).includes(access)
}
