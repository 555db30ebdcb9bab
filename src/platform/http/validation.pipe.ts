import { StandardSchemaValidationPipe } from '@nestjs/common'
import { AppError, type FieldError } from '#kernel/app-error.js'

interface Issue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
  /** Zod's, on the issue that lists unknown keys of one object. */
  readonly keys?: readonly string[]
}

/** Validates whatever carries a schema; refuses with one JSON Pointer an issue. */
export function createValidationPipe(): StandardSchemaValidationPipe {
  return new StandardSchemaValidationPipe({
    exceptionFactory: (issues) => validationFailed(issues),
  })
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
