import type { InjectOptions, LightMyRequestResponse } from 'fastify'

interface Requester {
  request(options: InjectOptions): Promise<LightMyRequestResponse>
}

interface KeyedRun {
  readonly agent?: string
  readonly query?: string
  readonly prefer?: string
  readonly payload?: object
}

/** Starts a run with an `Idempotency-Key`; `respond-async` unless `prefer` says otherwise. */
export function keyedRun(
  user: Requester,
  key: string,
  { agent = 'developer', query = '', prefer = 'respond-async', payload = { task: 'Do it once.' } }: KeyedRun = {},
): Promise<LightMyRequestResponse> {
  return user.request({
    method: 'POST',
    url: `/v1/agents/${agent}/run${query}`,
    headers: { 'idempotency-key': key, prefer },
    payload,
  })
}
