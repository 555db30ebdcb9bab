import { randomBytes } from 'node:crypto'
import { PASSWORD } from '../test-user.js'
import type { Replicas } from './replicas.js'

export interface HookEndpoint {
  readonly id: string
  readonly secret: string
}

/** Somebody with endpoints who does things that they are told of, through whichever replica is there. */
export class HookUser {
  private constructor(
    private readonly replicas: Replicas,
    private readonly accessToken: string,
    readonly tenantId: string,
  ) {}

  static async register(replicas: Replicas): Promise<HookUser> {
    const response = await replicas.request('/v1/auth/register', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ email: `user-${randomBytes(6).toString('hex')}@example.com`, password: PASSWORD }),
    })
    if (!response.ok) throw new Error(`register: ${response.status} ${await response.text()}`)
    const { accessToken, tenant } = (await response.json()) as { accessToken: string; tenant: { id: string } }
    return new HookUser(replicas, accessToken, tenant.id)
  }

  async addEndpoint(endpoint: { url: string; events: string[]; maxPerSecond?: number }): Promise<HookEndpoint> {
    const response = await this.post('/v1/webhooks', endpoint)
    if (!response) throw new Error('nobody was there to add an endpoint')
    return (await response.json()) as HookEndpoint
  }

  /**
   * An `apiKey.created`, at most once: whoever dies of it is not asked again.
   * @returns the key's id; null: nobody said whether it is there
   */
  async addKey(): Promise<string | null> {
    const response = await this.post('/v1/api-keys', { name: 'chaos' })
    return response && ((await response.json()) as { id: string }).id
  }

  private async post(path: string, body: object): Promise<Response | null> {
    const headers = { authorization: `Bearer ${this.accessToken}`, 'content-type': 'application/json' }
    const response = await this.replicas.tryOnce(path, { method: 'POST', headers, body: JSON.stringify(body) })
    if (response && !response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
    return response
  }
}
