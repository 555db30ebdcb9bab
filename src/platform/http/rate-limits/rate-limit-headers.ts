import type { Standing } from './limit.js'

/**
 * Tells a client where it stands: the limit that will stop it first in the `X-RateLimit-…` of old, all of them in the
 * fields of draft-ietf-httpapi-ratelimit-headers.
 * @param standings at least one
 */
export function rateLimitHeaders(standings: readonly Standing[]): Record<string, string> {
  const tightest = standings.reduce(tighterOf)
  return {
    'X-RateLimit-Limit': `${tightest.limit.quota}`,
    'X-RateLimit-Remaining': `${tightest.remaining}`,
    'X-RateLimit-Reset': `${tightest.resetSeconds}`,
    'RateLimit-Policy': standings.map(({ limit }) => limit.policy).join(', '),
    RateLimit: standings.map(wordStanding).join(', '),
  }
}

/** Fewer requests left; of two that are as empty the one that stays so for longer. */
function tighterOf(one: Standing, other: Standing): Standing {
  if (one.remaining !== other.remaining) return one.remaining < other.remaining ? one : other
  return one.resetSeconds >= other.resetSeconds ? one : other
}

function wordStanding({ limit, remaining, resetSeconds }: Standing): string {
  return `"${limit.name}";r=${remaining};t=${resetSeconds}`
}

const text = (description: string) => ({ description, schema: { type: 'string' as const } })
const number = (description: string) => ({
  description,
  schema: { type: 'integer' as const, format: 'int64', minimum: 0, maximum: Number.MAX_SAFE_INTEGER },
})

/** The headers as OpenAPI components. */
export const RATE_LIMIT_HEADER_COMPONENTS = {
  'X-RateLimit-Limit': number('Requests that the tightest limit allows in its window.'),
  'X-RateLimit-Remaining': number('Requests that it has left.'),
  'X-RateLimit-Reset': number('Seconds until its window ends.'),
  'RateLimit-Policy': text('Every limit that counted this request: `"login";q=5;w=60` is 5 in 60 seconds.'),
  RateLimit: text('Where each of them stands: `"login";r=4;t=60` has 4 left and ends in 60 seconds.'),
  'Retry-After': number('Seconds to wait before the next attempt.'),
}

const reference = (name: string) => ({ $ref: `#/components/headers/${name}` })

/** What each answer of a limited route carries. */
export const RATE_LIMIT_HEADER_REFERENCES = Object.fromEntries(
  Object.keys(RATE_LIMIT_HEADER_COMPONENTS)
    .filter((name) => name !== 'Retry-After')
    .map((name) => [name, reference(name)]),
)
export const RETRY_AFTER_REFERENCE = { 'Retry-After': reference('Retry-After') }
