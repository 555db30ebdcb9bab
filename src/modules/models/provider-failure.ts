import { APICallError } from '@ai-sdk/provider'

const MAX_DETAIL_LENGTH = 500
/** Providers quote parts of the key that they refuse. */
const KEY_PATTERN = /\b(?:sk|key|tok)[-_][\w*.-]{4,}/gi
const REDACTED = '[redacted]'

/** Says in one sentence why a model call failed, with none of the server's `secrets` in it, nor what looks like one. */
export function describeProviderFailure(model: string, failure: unknown, secrets: readonly string[] = []): string {
  const known = secrets.reduce((text, secret) => text.replaceAll(secret, REDACTED), describe(failure))
  return `${model}: ${known.replaceAll(KEY_PATTERN, REDACTED)}`.slice(0, MAX_DETAIL_LENGTH)
}

function describe(failure: unknown): string {
  if (!APICallError.isInstance(failure)) return 'the call failed before an answer came.'
  const { statusCode, message } = failure
  if (statusCode === undefined) return 'the provider could not be reached.'
  if (statusCode === 401 || statusCode === 403) return `the provider refused this server's credentials (${statusCode}).`
  if (statusCode === 429) return 'the provider limits the rate (429), and went on doing so.'
  return `the provider answered ${statusCode}: ${message}`
}
