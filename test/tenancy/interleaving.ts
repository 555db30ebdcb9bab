import { setTimeout as sleep } from 'node:timers/promises'
import { newId } from '#kernel/ids.js'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import type { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'

const LANES = 64
const CANCEL_WITHIN_MS = 8
const SLEEP_LIMIT_MS = 5
/** Characters of an unexpected answer. */
const SHOWN = 200

/** A tenant, whose id is in everything that it ever wrote. */
export interface Tenant {
  readonly user: TestUser
  readonly runId: string
}

export interface Interleaving {
  /** HTTP requests by what became of them: the status, or `cancelled`. */
  readonly requests: Map<string, number>
  /** Direct uses of the database by how they ended. */
  readonly transactions: Map<string, number>
  /** What somebody was shown of another tenant, or could write there. */
  readonly foreign: string[]
}

export async function makeTenants(app: TestApp, count: number): Promise<Tenant[]> {
  return Promise.all(
    Array.from({ length: count }, async () => {
      const user = await TestUser.register(app)
      await app.nest
        .get(Database)
        .transaction({ tenantId: user.tenantId }, (tx) => addProject(tx, user.tenantId, 'website'))
      const response = await user.run(
        { task: `Secret of ${user.tenantId}`, project: 'website' },
        { prefer: 'respond-async' },
      )
      return { user, runId: response.json().id }
    }),
  )
}

/** Sends `count` requests of all tenants in turn, as many at once as there are lanes, and one transaction to every fourth. */
export async function interleave(
  app: TestApp,
  { tenants, count, baseUrl }: { tenants: readonly Tenant[]; count: number; baseUrl: string },
): Promise<Interleaving> {
  const result: Interleaving = { requests: new Map(), transactions: new Map(), foreign: [] }
  const load = new Load(app.nest.get(Database), tenants, baseUrl, result)
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < count) {
      const index = next++
      await Promise.all([load.request(index), index % 4 === 0 && load.transact(index / 4)])
    }
  }
  await Promise.all(Array.from({ length: LANES }, lane))
  return result
}

class Load {
  constructor(
    private readonly database: Database,
    private readonly tenants: readonly Tenant[],
    private readonly baseUrl: string,
    private readonly result: Interleaving,
  ) {}

  /** One request. Neighbours are of different tenants, and of a different kind each time round. */
  async request(index: number): Promise<void> {
    const { user, runId } = this.tenant(index)
    const get = (url: string) => user.request({ method: 'GET', url })
    const post = (payload: object) => user.run(payload, { prefer: 'respond-async' })
    switch (this.turn(index) % 16) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
        return this.check(user, await get('/v1/runs?limit=10'), 200)
      case 5:
      case 6:
      case 7:
        return this.check(user, await get(`/v1/runs/${runId}`), 200)
      case 8:
      case 9:
        return this.check(user, await get(`/v1/runs/${this.tenant(index + 1).runId}`), 404)
      case 10:
        return this.check(user, await get('/v1/auth/me'), 200)
      case 11:
        return this.check(user, await post({ task: `Secret of ${user.tenantId}`, project: 'website' }), 202, 200)
      case 12:
        // Thrown by the service between two statements of its transaction.
        return this.check(user, await post({ task: `Secret of ${user.tenantId}`, project: 'nowhere' }), 400)
      case 13:
        return this.check(user, await post({ task: 'x', surprise: true }), 400)
      case 14:
        return this.cancelled(user, `/v1/runs/${runId}`)
      default:
        return this.cancelled(user, '/v1/runs?limit=10')
    }
  }

  /** One use of the database as our own code would make it, and as it would by mistake. */
  async transact(index: number): Promise<void> {
    const { tenantId } = this.tenant(index * 4).user
    const { tenantId: others } = this.tenant(index * 4 + 1).user
    const scope = { tenantId }
    const look = (tx: Tx) =>
      tx.query<{ tenant_id: string }>({ name: 'test_runs', text: 'SELECT tenant_id FROM runs LIMIT 5' })
    const work: Readonly<Record<string, () => Promise<unknown>>> = {
      committed: () => this.database.transaction(scope, (tx) => addProject(tx, tenantId, `kept-${index}`)),
      'thrown after a write': () =>
        this.database.transaction(scope, async (tx) => {
          await addProject(tx, tenantId, `lost-${index}`)
          this.checkRows(tenantId, await look(tx))
          throw new Error('changed my mind')
        }),
      'branch left behind': () =>
        this.database.transaction(scope, async (tx) => {
          const straggler = sleep(index % 7).then(() => addProject(tx, tenantId, `lost-${index}`))
          straggler.catch(() => undefined)
          await Promise.all([straggler, look(tx), tx.query({ text: 'SELECT 1 / 0' })])
        }),
      'write to another tenant': () =>
        this.database.transaction(scope, (tx) => addProject(tx, others, `lost-${index}`)),
      'statement timeout': () =>
        this.database.transaction(scope, async (tx) => {
          await addProject(tx, tenantId, `lost-${index}`)
          await tx.query({ text: `SET LOCAL statement_timeout = ${SLEEP_LIMIT_MS}` })
          await tx.query({ text: 'SELECT pg_sleep(10)' })
        }),
      read: async () =>
        this.checkRows(
          tenantId,
          await this.database.read(scope, { name: 'test_projects', text: 'SELECT tenant_id FROM projects' }),
        ),
      'failed read': () => this.database.read(scope, { text: 'SELECT tenant_id, 1 / 0 FROM runs' }),
      'read without a tenant': async () =>
        this.checkRows('nobody', await this.database.read({}, { text: 'SELECT tenant_id FROM runs' })),
    }
    const kinds = Object.keys(work)
    const kind = kinds[this.turn(index) % kinds.length] ?? ''
    const end = await work[kind]?.().then(
      () => 'done',
      (error: unknown) => (error instanceof Error ? error.message : 'failed'),
    )
    const known = `${kind}: ${end}`
    this.result.transactions.set(known, (this.result.transactions.get(known) ?? 0) + 1)
  }

  private tenant(index: number): Tenant {
    return this.tenants[index % this.tenants.length]!
  }

  /** So that every tenant has a turn at every kind. */
  private turn(index: number): number {
    return index + Math.floor(index / this.tenants.length)
  }

  /** @param expected a run may be over before its 202 is written, and is then answered with 200 */
  private check(
    user: TestUser,
    { statusCode, body }: { statusCode: number; body: string },
    ...expected: number[]
  ): void {
    const isExpected = expected.includes(statusCode)
    this.count(isExpected ? String(statusCode) : `${statusCode} in place of ${expected[0]}: ${body.slice(0, SHOWN)}`)
    this.checkBody(user, body)
  }

  private checkBody(user: TestUser, body: string): void {
    for (const { user: other } of this.tenants) {
      if (other !== user && body.includes(other.tenantId))
        this.result.foreign.push(`${user.tenantId} was shown ${body}`)
    }
  }

  private checkRows(tenantId: string, rows: readonly object[]): void {
    for (const row of rows as readonly { tenant_id: string }[]) {
      if (row.tenant_id !== tenantId) this.result.foreign.push(`${tenantId} was given a row of ${row.tenant_id}`)
    }
  }

  /** Over the network, by a client that hangs up: some before the answer, some after. */
  private async cancelled(user: TestUser, path: string): Promise<void> {
    const signal = AbortSignal.timeout(Math.floor(Math.random() * CANCEL_WITHIN_MS))
    try {
      const response = await fetch(this.baseUrl + path, {
        headers: { authorization: `Bearer ${user.accessToken}` },
        signal,
      })
      this.checkBody(user, await response.text())
      this.count(String(response.status))
    } catch (error) {
      if (!signal.aborted) throw error
      this.count('cancelled')
    }
  }

  private count(outcome: string): void {
    this.result.requests.set(outcome, (this.result.requests.get(outcome) ?? 0) + 1)
  }
}

/** Named for its tenant, so that one in the wrong place shows. */
function addProject(tx: Tx, tenantId: string, slug: string): Promise<number> {
  return tx.execute({
    name: 'test_add_project',
    text: `INSERT INTO projects (tenant_id, id, slug, name, created_at, updated_at) VALUES ($1, $2, $3, $4, now(), now())`,
    values: [tenantId, newId(), slug, `Secret of ${tenantId}`],
  })
}
