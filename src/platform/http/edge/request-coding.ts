import type { IncomingHttpHeaders } from 'node:http'
import { AppError } from '#kernel/app-error.js'

const UTF_8 = /^utf-?8$/i
const CHARSET_PATTERN = /;\s*charset\s*=\s*"?([^";\s]*)"?/i

/**
 * Refuses bodies that we would read as something else than their sender meant: another charset, or compressed ones.
 * @throws AppError `unsupported_media_type`
 */
export function assertPlainUtf8(headers: IncomingHttpHeaders): void {
  const { 'content-encoding': coding, 'content-type': type } = headers
  if (coding !== undefined && coding !== 'identity') {
    throw unsupported('Send the body as it is, without a Content-Encoding.')
  }
  const charset = type === undefined ? undefined : CHARSET_PATTERN.exec(type)?.[1]
  if (charset !== undefined && !UTF_8.test(charset)) throw unsupported('Send the body in UTF-8.')
}

function unsupported(detail: string): AppError {
  return new AppError('unsupported_media_type', 'unsupported_media_type', { detail })
}
