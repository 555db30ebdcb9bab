import { STATUS_CODES } from 'node:http'
import { z } from 'zod'
import { AppError, type ErrorKind } from '#kernel/app-error.js'

export const PROBLEM_CONTENT_TYPE = 'application/problem+json'
/** More field errors than this help nobody, and an attacker could ask for millions. */
const MAX_FIELD_ERRORS = 50
const INTERNAL_ERROR_STATUS = 500

const STATUS_OF_KIND: Record<ErrorKind, number> = {
  invalid: 400,
  unauthenticated: 401,
  payment_required: 402,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  not_acceptable: 406,
  conflict: 409,
  payload_too_large: 413,
  unsupported_media_type: 415,
  unprocessable: 422,
  rate_limited: 429,
  internal: 500,
  upstream_failed: 502,
  unavailable: 503,
}

/** The contract's word for a status that a framework, not our code, decided on. */
const CODE_OF_STATUS: Record<number, { code: string; kind: ErrorKind }> = {
  400: { code: 'validation_failed', kind: 'invalid' },
  401: { code: 'unauthenticated', kind: 'unauthenticated' },
  403: { code: 'forbidden', kind: 'forbidden' },
  404: { code: 'not_found', kind: 'not_found' },
  405: { code: 'method_not_allowed', kind: 'method_not_allowed' },
  406: { code: 'not_acceptable', kind: 'not_acceptable' },
  409: { code: 'conflict', kind: 'conflict' },
  413: { code: 'payload_too_large', kind: 'payload_too_large' },
  415: { code: 'unsupported_media_type', kind: 'unsupported_media_type' },
  422: { code: 'unprocessable', kind: 'unprocessable' },
  429: { code: 'rate_limited', kind: 'rate_limited' },
  503: { code: 'unavailable', kind: 'unavailable' },
}

/** The body of every error answer (RFC 9457). */
export const problemSchema = z
  .strictObject({
    type: z.string().describe('urn:temponest:problem:<code>'),
    title: z.string().describe('The status in words.'),
    status: z.int(),
    detail: z.string().describe('What went wrong this time and what to change.'),
    instance: z.string().describe('The path that was asked for.'),
    code: z.string().describe('Stable: branch on this.'),
    requestId: z.string(),
    errors: z
      .array(z.strictObject({ pointer: z.string().describe('JSON Pointer (RFC 6901).'), detail: z.string() }))
      .optional(),
  })
  .meta({ id: 'Problem', description: 'RFC 9457 problem details.' })

export type Problem = z.infer<typeof problemSchema>

export function statusOf(kind: ErrorKind): number {
  return STATUS_OF_KIND[kind]
}

/** Words an error for a client. What our code did not throw on purpose shows no detail. */
export function toProblem(error: unknown, request: { id: string; path: string }): Problem {
  const known = toAppError(error)
  const status = STATUS_OF_KIND[known.kind]
  const title = STATUS_CODES[status] ?? 'Error'
  return {
    type: `urn:temponest:problem:${known.code}`,
    title,
    status,
    detail: known.detail ?? title,
    instance: request.path,
    code: known.code,
    requestId: request.id,
    ...(known.errors && { errors: known.errors.slice(0, MAX_FIELD_ERRORS) }),
  }
}

/** Our own error as it is; a framework's by its status, with its words where they concern the client; else `internal`. */
export function toAppError(error: unknown): AppError {
  if (error instanceof AppError) return error
  const status = statusCodeOf(error)
  const known = CODE_OF_STATUS[status]
  if (known) return new AppError(known.code, known.kind, { detail: frameworkDetail(error, status), cause: error })
  if (status > 400 && status < INTERNAL_ERROR_STATUS) {
    return new AppError('validation_failed', 'invalid', { detail: frameworkDetail(error, status), cause: error })
  }
  return new AppError('internal', 'internal', { detail: 'Something went wrong on our side.', cause: error })
}

/** Nest's HttpException has `getStatus`; Fastify's errors have `statusCode`. */
function statusCodeOf(error: unknown): number {
  if (typeof error !== 'object' || error === null) return INTERNAL_ERROR_STATUS
  if ('getStatus' in error && typeof error.getStatus === 'function') return Number(error.getStatus())
  if ('statusCode' in error) return Number(error.statusCode)
  return INTERNAL_ERROR_STATUS
}

const FRAMEWORK_DETAIL: Record<number, string> = {
  404: 'There is nothing at this address.',
  413: 'The body is too large.',
  415: 'This content type is not supported: send application/json.',
}

function frameworkDetail(error: unknown, status: number): string {
  return FRAMEWORK_DETAIL[status] ?? (error instanceof Error ? error.message : 'The request was refused.')
}
