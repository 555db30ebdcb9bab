import type { InjectOptions, LightMyRequestResponse } from 'fastify'
import type { TestApp } from './test-app.js'
import { PASSWORD, TestUser } from './test-user.js'

/** Who can make requests: a signed-in user, or a key. */
export interface Requester {
  request(options: InjectOptions): Promise<LightMyRequestResponse>
}

/** An API key that was made over HTTP. */
export class TestApiKey implements Requester {
  private constructor(
    private readonly app: TestApp,
    readonly id: string,
    readonly text: string,
  ) {}

  static async create(app: TestApp, maker: Requester, payload: object = {}): Promise<TestApiKey> {
    const response = await createApiKey(maker, payload)
    if (response.statusCode !== 201) throw new Error(`making a key failed: ${response.body}`)
    const { id, key } = response.json()
    return new TestApiKey(app, id, key)
  }

  request(options: InjectOptions): Promise<LightMyRequestResponse> {
    return this.on(this.app, options)
  }

  /** The same on another replica. */
  on(app: TestApp, options: InjectOptions): Promise<LightMyRequestResponse> {
    return app.inject({ ...options, headers: { authorization: `Bearer ${this.text}`, ...options.headers } })
  }
}

export function createApiKey(maker: Requester, payload: object = {}): Promise<LightMyRequestResponse> {
  return maker.request({ method: 'POST', url: '/v1/api-keys', payload: { name: 'test', ...payload } })
}

/** A user of his own tenant who is also in `tenantId`, signed in there. */
export async function joinTenant(
  app: TestApp,
  tenantId: string,
  role: string,
): Promise<Requester & { userId: string }> {
  const { userId, email } = await TestUser.register(app)
  await app.sql('INSERT INTO memberships (tenant_id, user_id, role, created_at) VALUES ($1, $2, $3, now())', [
    tenantId,
    userId,
    role,
  ])
  const payload = { email, password: PASSWORD, tenantId }
  const { accessToken } = (await app.inject({ method: 'POST', url: '/v1/auth/login', payload })).json()
  const authorization = `Bearer ${accessToken}`
  return {
    userId,
    request: (options) => app.inject({ ...options, headers: { authorization, ...options.headers } }),
  }
}
