import { randomBytes } from 'node:crypto'
import type { InjectOptions, LightMyRequestResponse } from 'fastify'
import type { TestApp } from './test-app.js'

export const PASSWORD = 'Correct-Horse-42'

/** A signed-in user who owns a tenant of his own. */
export class TestUser {
  private constructor(
    private readonly app: TestApp,
    readonly email: string,
    readonly userId: string,
    readonly tenantId: string,
    readonly accessToken: string,
    readonly refreshToken: string,
  ) {}

  static async register(app: TestApp, overrides: { email?: string; remoteAddress?: string } = {}): Promise<TestUser> {
    const email = overrides.email ?? `user-${randomBytes(6).toString('hex')}@example.com`
    const response = await app.inject({
      method: 'POST',
      url: '/v1/auth/register',
      payload: { email, password: PASSWORD },
      ...(overrides.remoteAddress !== undefined && { remoteAddress: overrides.remoteAddress }),
    })
    if (response.statusCode !== 201) throw new Error(`registering failed: ${response.body}`)
    const { user, tenant, accessToken, refreshToken } = response.json()
    return new TestUser(app, email, user.id, tenant.id, accessToken, refreshToken)
  }

  /** A request with this user's token. */
  request(options: InjectOptions): Promise<LightMyRequestResponse> {
    return this.app.inject({ ...options, headers: { authorization: `Bearer ${this.accessToken}`, ...options.headers } })
  }

  /** Gives an agent a task, in the waiting form unless `prefer` says otherwise. */
  run(
    payload: object,
    { agent = 'developer', prefer }: { agent?: string; prefer?: string } = {},
  ): Promise<LightMyRequestResponse> {
    return this.request({
      method: 'POST',
      url: `/v1/agents/${agent}/run`,
      payload,
      ...(prefer !== undefined && { headers: { prefer } }),
    })
  }
}
