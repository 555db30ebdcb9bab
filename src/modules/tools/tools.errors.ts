import { AppError } from '#kernel/app-error.js'

/** A tool that cannot be used just now, through somebody else's fault. @param detail never with a credential in it */
export function toolUnavailable(detail: string, cause?: unknown): AppError {
  return new AppError('tool_unavailable', 'upstream_failed', { detail, cause })
}
