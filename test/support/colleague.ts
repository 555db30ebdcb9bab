import type { InjectOptions, LightMyRequestResponse } from 'fastify'
import type { Role } from '#platform/http/principal.js'
import type { TestApp } from './test-app.js'
import { PASSWORD, TestUser } from './test-user.js'

/** Another person, signed in to somebody's tenant in a role. Made a member by SQL: invitations have tests of their own. */
export class Colleague {
  private constructor(
    private readonly app: TestApp,
    private readonly accessToken: string,
  ) {}

  static async join(app: TestApp, { tenantId }: { tenantId: string }, role: Role): Promise<Colleague> {
    const { email, userId } = await TestUser.register(app)
    await app.sql('INSERT INTO memberships (tenant_id, user_id, role, created_at) VALUES ($1, $2, $3, now())', [
      tenantId,
      userId,
      role,
    ])
    const payload = { email, password: PASSWORD, tenantId }
    const response = await app.inject({ method: 'POST', url: '/v1/auth/login', payload })
    if (response.statusCode !== 200) throw new Error(`signing in failed: ${response.body}`)
    return new Colleague(app, response.json().accessToken)
  }

  request(options: InjectOptions): Promise<LightMyRequestResponse> {
    return this.app.inject({ ...options, headers: { authorization: `Bearer ${this.accessToken}`, ...options.headers } })
  }
}
