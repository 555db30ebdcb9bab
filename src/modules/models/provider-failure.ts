import { AISDKError, APICallError } from '@ai-sdk/provider'
import { ModelFailure } from './model-failure.js'
import { readRetryAfterMs } from '#kernel/retry-after.js'

const MAX_DETAIL_LENGTH = 500
/** Providers quote parts of the key that they refuse. */
const KEY_PATTERN = /\b(?:sk|key|tok)[-_][\w*.-]{4,}/gi
const REDACTED = '[redacted]'

/** What a provider's client threw instead of opening a stream. */
export function toModelFailure(error: unknown, nowMs: number): ModelFailure {
  if (error instanceof ModelFailure) return error
  if (!APICallError.isInstance(error)) {
    const reason = AISDKError.isInstance(error) ? 'unusable' : 'unreachable'
    return new ModelFailure(reason, 'the call failed before an answer came.', { cause: error })
  }
  const { statusCode, message, responseHeaders } = error
  if (statusCode === undefined) {
    return new ModelFailure('unreachable', 'the provider could not be reached.', { cause: error })
  }
  // A stream that did not even begin properly: there is no status of an error in it.
  if (statusCode < 400) return new ModelFailure('broken', `its answer cannot be read: ${message}`, { cause: error })
  const retryAfterMs = readRetryAfterMs(responseHeaders, nowMs)
  return new ModelFailure('refused', wordRefusal(statusCode, message), {
    status: statusCode,
    retryAfterMs,
    cause: error,
  })
}

function wordRefusal(status: number, message: string): string {
  if (status === 401 || status === 403) return `the provider refused this server's credentials (${status}).`
  if (status === 429) return 'the provider limits the rate (429), and went on doing so.'
  return `the provider answered ${status}: ${message}`
}

/** Says in one sentence why a model call failed, with none of the server's `secrets` in it, nor what looks like one. */
export function describeProviderFailure(
  model: string,
  { message }: ModelFailure,
  secrets: readonly string[] = [],
): string {
  const known = secrets.reduce((text, secret) => text.replaceAll(secret, REDACTED), message)
  return `${model}: ${known.replaceAll(KEY_PATTERN, REDACTED)}`.slice(0, MAX_DETAIL_LENGTH)
}
