import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { PASSWORD } from './test-user.js'

const POLL_MS = 20

/** A run, as far as tests look at it. */
export interface RunAnswer {
  readonly id: string
  readonly status: string
  readonly attempt: number
  readonly model: string
  readonly output: { readonly text: string } | null
  readonly error: { readonly code: string; readonly detail: string } | null
}

/** A signed-in user of a server in another process. */
export class HttpUser {
  private constructor(
    private readonly baseUrl: string,
    readonly email: string,
    private readonly accessToken: string,
  ) {}

  static register(baseUrl: string): Promise<HttpUser> {
    return HttpUser.signIn(baseUrl, 'register', `user-${randomBytes(6).toString('hex')}@example.com`)
  }

  static login(baseUrl: string, email: string): Promise<HttpUser> {
    return HttpUser.signIn(baseUrl, 'login', email)
  }

  /** Gives the developer a task. */
  run(payload: object, { prefer, key }: { prefer?: string; key?: string } = {}): Promise<Response> {
    return fetch(`${this.baseUrl}/v1/agents/developer/run`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${this.accessToken}`,
        'content-type': 'application/json',
        ...(prefer !== undefined && { prefer }),
        ...(key !== undefined && { 'idempotency-key': key }),
      },
      body: JSON.stringify(payload),
    })
  }

  /** @throws Error when it is refused */
  async ask<Answer>(path: string, body?: object): Promise<Answer> {
    const response = await fetch(`${this.baseUrl}${path}`, {
      headers: { authorization: `Bearer ${this.accessToken}`, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { method: 'POST', body: JSON.stringify(body) }),
    })
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
    return (await response.json()) as Answer
  }

  async getRun(id: string): Promise<RunAnswer> {
    const response = await fetch(`${this.baseUrl}/v1/runs/${id}`, {
      headers: { authorization: `Bearer ${this.accessToken}` },
    })
    if (response.status !== 200) throw new Error(`GET run: ${response.status} ${await response.text()}`)
    return (await response.json()) as RunAnswer
  }

  /** @throws Error when the run has not ended by then */
  async whenFinished(id: string, limitMs: number): Promise<RunAnswer> {
    const deadline = Date.now() + limitMs
    while (true) {
      const run = await this.getRun(id)
      if (run.status === 'completed' || run.status === 'failed') return run
      if (Date.now() > deadline) throw new Error(`the run has not ended: ${JSON.stringify(run)}`)
      await sleep(POLL_MS)
    }
  }

  private static async signIn(baseUrl: string, route: 'register' | 'login', email: string): Promise<HttpUser> {
    const response = await fetch(`${baseUrl}/v1/auth/${route}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ email, password: PASSWORD }),
    })
    if (!response.ok) throw new Error(`${route}: ${response.status} ${await response.text()}`)
    const { accessToken } = (await response.json()) as { accessToken: string }
    return new HttpUser(baseUrl, email, accessToken)
  }
}
