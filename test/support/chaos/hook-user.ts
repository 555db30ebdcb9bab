import { randomBytes, randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { PASSWORD } from '../test-user.js'
import type { Replicas } from './replicas.js'

const CONFLICT = 409
const RETRY_MS = 100

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

  addEndpoint(endpoint: { url: string; events: string[]; maxPerSecond?: number }): Promise<HookEndpoint> {
    return this.create<HookEndpoint>('/v1/webhooks', endpoint)
  }

  /** An `apiKey.created`. @returns the key's id, from whichever replica answered in the end */
  async addKey(): Promise<string> {
    return (await this.create<{ id: string }>('/v1/api-keys', { name: 'chaos' })).id
  }

  private async create<Created>(path: string, body: object): Promise<Created> {
    const init = {
      method: 'POST',
      headers: {
        authorization: `Bearer ${this.accessToken}`,
        'content-type': 'application/json',
        'idempotency-key': randomUUID(),
      },
      body: JSON.stringify(body),
    }
    while (true) {
      const response = await this.replicas.request(path, init)
      if (response.ok) return (await response.json()) as Created
      const problem = await response.text()
      if (response.status !== CONFLICT) throw new Error(`${path}: ${response.status} ${problem}`)
      // The first request of this idempotency key died with its process; it is free again once that is known.
      await sleep(RETRY_MS)
    }
  }
}
