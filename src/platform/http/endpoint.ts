import { applyDecorators, HttpCode, SetMetadata } from '@nestjs/common'
import { ApiBearerAuth, ApiExtension, ApiOperation, ApiResponse } from '@nestjs/swagger'
import type { z } from 'zod'
import { problemSchema, PROBLEM_CONTENT_TYPE } from './problem.js'
import type { Permission } from './principal.js'

/** `public`: anyone; `authenticated`: any principal; else the permission that the route names. */
export type Access = 'public' | 'authenticated' | Permission

/** Metadata key of a route's access. The guard refuses a route that has none. */
export const ACCESS_METADATA = 'temponest:access'

interface Answer {
  readonly status: number
  readonly description: string
  readonly schema?: z.ZodType
}

export interface EndpointOptions {
  readonly summary: string
  readonly description?: string
  readonly access: Access
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
  const isPublic = access === 'public'
  const statuses = [...new Set([...problems, ...(isPublic ? [] : PROBLEMS_OF_PROTECTED), ...PROBLEMS_OF_ALL])].sort(
    (a, b) => a - b,
  )
  const isPermission = access !== 'public' && access !== 'authenticated'
  return applyDecorators(
    SetMetadata(ACCESS_METADATA, access),
    HttpCode(answers[0].status),
    ApiOperation({
      summary: options.summary,
      ...(options.description && { description: options.description }),
    }),
    ...(isPublic ? [] : [ApiBearerAuth()]),
    ...(isPermission ? [ApiExtension('x-permission', access)] : []),
    ...answers.map(({ status, description, schema }) =>
      ApiResponse({ status, description, ...(schema && { standardSchema: schema }) }),
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
