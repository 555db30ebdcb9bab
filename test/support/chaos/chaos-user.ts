import { randomBytes, randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { PASSWORD } from '../test-user.js'
import { chaosAgents, type ChaosKind, OUTPUT_SCHEMA } from './chaos-agents.js'
import type { Replicas } from './replicas.js'

const CONFLICT = 409
const RETRY_MS = 250

export interface StartOptions {
  readonly killAt?: string
  readonly key?: string
  readonly requireApproval?: boolean
}

/** A tenant of its own with the agents of the chaos tests, which speaks to whichever replica is there. */
export class ChaosUser {
  private approvals = 0

  private constructor(
    private readonly replicas: Replicas,
    private readonly accessToken: string,
    readonly tenantId: string,
  ) {}

  static async register(replicas: Replicas, toolHost: string): Promise<ChaosUser> {
    const email = `user-${randomBytes(6).toString('hex')}@example.com`
    const response = await replicas.request('/v1/auth/register', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ email, password: PASSWORD }),
    })
    const { accessToken, tenant } = (await expectOk(response)) as { accessToken: string; tenant: { id: string } }
    const user = new ChaosUser(replicas, accessToken, tenant.id)
    for (const agent of chaosAgents(toolHost)) await expectOk(await user.post('/v1/agents', agent))
    return user
  }

  /** The body of a run, and the headers, so that it can be sent again as it was. */
  startRequest(kind: ChaosKind, { killAt, key = randomUUID(), requireApproval }: StartOptions = {}): RequestInit {
    return {
      method: 'POST',
      headers: { ...this.headers, prefer: 'respond-async', 'idempotency-key': key },
      body: JSON.stringify({
        task: `chaos:${kind}`,
        ...(kind === 'structured' && { outputSchema: OUTPUT_SCHEMA }),
        ...(requireApproval && { requireApproval }),
        ...(killAt !== undefined && { metadata: { killAt } }),
      }),
    }
  }

  /** @returns its id, from whichever replica answered in the end */
  async start(kind: ChaosKind, options: StartOptions = {}): Promise<string> {
    const request = this.startRequest(kind, options)
    while (true) {
      const response = await this.replicas.request('/v1/agents/worker/run', request)
      // The key's first request died with its process; it is free again once that is known.
      if (response.status === CONFLICT) await sleep(RETRY_MS)
      else return ((await expectOk(response)) as { id: string }).id
    }
  }

  /** Decides whatever waits for a person, every second time with no where nobody knows what has happened. */
  async decideAll(): Promise<void> {
    const response = await this.replicas.tryOnce('/v1/approvals?status=pending&limit=100', { headers: this.headers })
    if (!response) return
    const { data } = (await expectOk(response)) as { data: { id: string; reason: string }[] }
    await Promise.all(
      data.map(async ({ id, reason }) => {
        const verb = reason === 'outcome_unknown' && this.approvals++ % 2 === 1 ? 'reject' : 'approve'
        const decided = await this.replicas.tryOnce(`/v1/approvals/${id}/${verb}`, {
          method: 'POST',
          headers: { authorization: this.headers.authorization },
        })
        // Decided before by a request whose answer was lost with its replica, or the run has ended.
        if (decided && decided.status !== CONFLICT) await expectOk(decided)
      }),
    )
  }

  private post(path: string, body: object): Promise<Response> {
    return this.replicas.request(path, { method: 'POST', headers: this.headers, body: JSON.stringify(body) })
  }

  private get headers() {
    return { authorization: `Bearer ${this.accessToken}`, 'content-type': 'application/json' }
  }
}

async function expectOk(response: Response): Promise<unknown> {
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`)
  return response.json()
}
