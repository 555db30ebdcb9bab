import { type ArgumentMetadata, StandardSchemaValidationPipe } from '@nestjs/common'
import { z } from 'zod'
import { AppError, type FieldError } from '#kernel/app-error.js'
import { takeNullsAsAbsent } from './absent-nulls.js'
import { requestContext } from './request-context.js'

/** In a change, null clears a field. In something new, or wholly replaced, there is nothing to clear. */
const METHODS_THAT_CLEAR_NOTHING = new Set(['POST', 'PUT'])

interface Issue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
  /** Zod's, on the issue that lists unknown keys of one object. */
  readonly keys?: readonly string[]
}

/** Validates whatever carries a schema; refuses with one JSON Pointer an issue. */
export function createValidationPipe(): StandardSchemaValidationPipe {
  return new ValidationPipe({
    exceptionFactory: (issues) => validationFailed(issues),
  })
}

class ValidationPipe extends StandardSchemaValidationPipe {
  override transform<T>(value: T, metadata: ArgumentMetadata): Promise<T> {
    const { type, schema } = metadata
    const { method = '' } = requestContext.getStore() ?? {}
    const canClear = type !== 'body' || !METHODS_THAT_CLEAR_NOTHING.has(method)
    if (canClear || !(schema instanceof z.ZodType)) return super.transform(value, metadata)
    return super.transform(takeNullsAsAbsent(schema, value) as T, metadata)
  }
}

export function validationFailed(issues: readonly Issue[]): AppError {
  return new AppError('validation_failed', 'invalid', {
    detail: 'The request has invalid fields.',
    errors: issues.flatMap(toFieldErrors),
  })
}

function toFieldErrors(issue: Issue): FieldError[] {
  const pointer = toPointer(issue.path ?? [])
  if (!issue.keys) return [{ pointer, detail: issue.message }]
  return issue.keys.map((key) => ({ pointer: pointer + toPointer([key]), detail: 'Unknown field.' }))
}

/** RFC 6901: `~` and `/` within a key are escaped. */
function toPointer(path: NonNullable<Issue['path']>): string {
  return path
    .map((segment) => (typeof segment === 'object' ? segment.key : segment))
    .map((key) => `/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`)
    .join('')
}
