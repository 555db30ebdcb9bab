import { z } from 'zod'

const REQUEST_TIMEOUT_MS = 90_000

const registrationSchema = z.object({ accessToken: z.string(), tenant: z.object({ id: z.string() }) })
export const runSchema = z.looseObject({
  id: z.string(),
  status: z.string(),
  cache: z.string().optional(),
  output: z.looseObject({ text: z.string() }).nullish(),
})

/** A run as the API shows it. */
export type Run = z.infer<typeof runSchema>

export interface ApiClient {
  readonly headers: Record<string, string>
  /** The tenant that the registration made. */
  readonly tenantId: string
  /**
   * Runs the developer agent and waits.
   * @param more the run's other fields
   * @throws when the answer is not 200, or the run did not complete
   */
  runDeveloper(task: string, more?: object): Promise<Run>
}

/** Registers a user with a tenant of its own and speaks for it. */
export async function registerClient(baseUrl: string): Promise<ApiClient> {
  const registration = await post(`${baseUrl}/v1/auth/register`, {
    status: 201,
    body: { email: 'bench@example.com', password: 'Bench-Password-1', name: 'Bench', tenantName: 'Bench' },
  })
  const { accessToken, tenant } = registrationSchema.parse(registration)
  return createClient(baseUrl, { accessToken, tenantId: tenant.id })
}

/** Speaks for whoever the token is of. */
export function createClient(
  baseUrl: string,
  { accessToken, tenantId }: { accessToken: string; tenantId: string },
): ApiClient {
  const headers = { authorization: `Bearer ${accessToken}` }
  return {
    headers,
    tenantId,
    async runDeveloper(task, more = {}) {
      const body = { task, ...more }
      const answer = await post(`${baseUrl}/v1/agents/developer/run`, { status: 200, body, headers })
      const run = runSchema.parse(answer)
      if (run.status !== 'completed') throw new Error(`run ${run.id} is ${run.status}: ${JSON.stringify(run['error'])}`)
      return run
    },
  }
}

function post(url: string, expected: { status: number; body: object; headers?: Record<string, string> }) {
  return send(url, { method: 'POST', ...expected })
}

/** @returns the parsed answer, null where it is empty @throws when its status is another */
export async function send(
  url: string,
  options: { method: string; status: number; body?: object; headers?: Record<string, string> },
): Promise<unknown> {
  const { method, status, body, headers } = options
  const response = await fetch(url, {
    method,
    headers: { ...(body && { 'content-type': 'application/json' }), ...headers },
    ...(body && { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
  })
  const text = await response.text()
  if (response.status !== status) throw new Error(`${method} ${url}: ${response.status} ${text}`)
  return text === '' ? null : JSON.parse(text)
}
