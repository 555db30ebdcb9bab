import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals'
import { Client, type Pool } from 'pg'
import { newId } from '#kernel/ids.js'
import { ConnectionPool } from '#platform/database/connection-pool.js'
import { DATABASE_APP_URL } from '#platform/database/database.js'
import type { Statement } from '#platform/database/statement.js'
import type { Tx } from '#platform/database/tx.js'
import { ProjectEntity } from '../../src/modules/projects/project.entity.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'

const SETTINGS = ['app.current_tenant', 'app.current_user', 'app.sign_in_email', 'app.purpose']
const TIMEOUT_MS = 5000

let app: TestApp
let mine: TestUser
let theirs: TestUser
/** Of one connection: whatever is left on it meets whoever comes next. */
let pool: ConnectionPool

beforeAll(async () => {
  app = await TestApp.start()
  mine = await TestUser.register(app)
  theirs = await TestUser.register(app)
})
beforeEach(async () => {
  pool = new ConnectionPool({
    url: app.nest.get(DATABASE_APP_URL),
    name: 'test',
    size: 1,
    connectTimeoutMs: TIMEOUT_MS,
    statementTimeoutMs: TIMEOUT_MS,
    lockTimeoutMs: TIMEOUT_MS,
    answerTimeoutMs: TIMEOUT_MS,
    preparedStatements: true,
  })
  await pool.open()
})
afterEach(async () => pool.close())
afterAll(async () => app[Symbol.asyncDispose]())

function addProject(tx: Tx, slug: string, tenantId = mine.tenantId): Promise<number> {
  return tx.execute({
    name: 'test_add_project',
    text: `INSERT INTO projects (tenant_id, id, slug, name, created_at, updated_at) VALUES ($1, $2, $3, $3, now(), now())`,
    values: [tenantId, newId(), slug],
  })
}

async function countProjects(slug: string): Promise<unknown> {
  return (await app.sql('SELECT count(*)::int AS count FROM projects WHERE slug = $1', [slug]))[0]?.['count']
}

function nameOf(client: unknown): string | undefined {
  return (client as { connectionParameters: { application_name?: string } }).connectionParameters.application_name
}

/** The settings of the pool's connection as they are between two uses of it. A scoped read would set them itself. */
async function readLeftovers(): Promise<string[]> {
  const client = await (pool as unknown as { pool: Pool }).pool.connect()
  try {
    const columns = SETTINGS.map((name, index) => `current_setting('${name}', true) AS s${index}`)
    const { rows } = await client.query<Record<string, string | null>>(`SELECT ${columns.join(', ')}`)
    return Object.values(rows[0] ?? {}).filter((value) => value !== null && value !== '') as string[]
  } finally {
    client.release()
  }
}

async function connectionId(): Promise<unknown> {
  return (await pool.read<{ pid: number }>({}, { text: 'SELECT pg_backend_pid() AS pid' }))[0]?.pid
}

describe('a transaction', () => {
  it('keeps what it wrote, and tells its hooks once it has', async () => {
    const seen: string[] = []
    await pool.transaction({ tenantId: mine.tenantId }, async (tx) => {
      tx.afterCommit(() => seen.push('committed'))
      await addProject(tx, 'kept')
      seen.push('written')
    })
    expect(seen).toEqual(['written', 'committed'])
    expect(await countProjects('kept')).toBe(1)
  })

  it('keeps nothing when the work throws after it wrote, and gives the connection back', async () => {
    const before = await connectionId()
    const hooked: string[] = []
    const failing = pool.transaction({ tenantId: mine.tenantId }, async (tx) => {
      tx.afterCommit(() => hooked.push('committed'))
      await addProject(tx, 'thrown-away')
      throw new Error('changed my mind')
    })
    await expect(failing).rejects.toThrow('changed my mind')
    expect(hooked).toEqual([])
    expect(await countProjects('thrown-away')).toBe(0)
    expect(await connectionId()).toBe(before)
  })

  it('does last what was asked to be last, in order, and still within it', async () => {
    const seen: string[] = []
    await pool.transaction({ tenantId: mine.tenantId }, async (tx) => {
      tx.afterCommit(() => seen.push('committed'))
      tx.beforeCommit(async () => {
        await addProject(tx, 'last')
        seen.push('first of the last')
      })
      tx.beforeCommit(async () => void seen.push('second of the last'))
      await addProject(tx, 'early')
      seen.push('work')
    })
    expect(seen).toEqual(['work', 'first of the last', 'second of the last', 'committed'])
    expect([await countProjects('early'), await countProjects('last')]).toEqual([1, 1])
  })

  it('sends in the message that commits what is to be no older than that', async () => {
    const seen: string[] = []
    const spy = jest.spyOn(Client.prototype, 'query')
    const committing = () =>
      spy.mock.calls.some(
        ([asked], call) =>
          nameOf(spy.mock.contexts[call]) === 'temponest-test' && (asked as unknown as Statement).text === 'COMMIT',
      )
    await pool.transaction({ tenantId: mine.tenantId }, async (tx) => {
      tx.withCommit(async () => {
        seen.push(`asked, ${committing()}`)
        await addProject(tx, 'with-commit')
        seen.push(`answered, ${committing()}`)
      })
      tx.beforeCommit(async () => void seen.push('last'))
    })
    spy.mockRestore()
    expect(seen).toEqual(['last', 'asked, false', 'answered, true'])
    expect(await countProjects('with-commit')).toBe(1)
  })

  it('keeps nothing when the database refuses what is sent with the commit', async () => {
    const seen: string[] = []
    const failing = pool.transaction({ tenantId: mine.tenantId }, async (tx) => {
      tx.afterCommit(() => seen.push('committed'))
      tx.withCommit(async () => void (await tx.execute({ text: 'SELECT 1 / 0' })))
      await addProject(tx, 'not-kept-either')
    })
    await expect(failing).rejects.toThrow('division by zero')
    expect(seen).toEqual([])
    expect(await countProjects('not-kept-either')).toBe(0)
  })

  it('keeps nothing when what was to be last fails, and does not do it when the work has failed', async () => {
    const seen: string[] = []
    const failingLast = pool.transaction({ tenantId: mine.tenantId }, async (tx) => {
      tx.afterCommit(() => seen.push('committed'))
      tx.beforeCommit(async () => {
        throw new Error('in the last minute')
      })
      await addProject(tx, 'not-kept')
    })
    await expect(failingLast).rejects.toThrow('in the last minute')
    const failingWork = pool.transaction({ tenantId: mine.tenantId }, async (tx) => {
      tx.beforeCommit(async () => void seen.push('last'))
      throw new Error('changed my mind')
    })
    await expect(failingWork).rejects.toThrow('changed my mind')
    expect(seen).toEqual([])
    expect(await countProjects('not-kept')).toBe(0)
  })

  it('fails as a whole when one statement failed and nobody minded', async () => {
    const hooked: string[] = []
    const swallowing = pool.transaction({ tenantId: mine.tenantId }, async (tx) => {
      tx.afterCommit(() => hooked.push('committed'))
      await addProject(tx, 'swallowed')
      await tx.query({ text: 'SELECT 1 / 0' }).catch(() => undefined)
      return 'fine'
    })
    await expect(swallowing).rejects.toThrow('the transaction had failed and was rolled back')
    expect(hooked).toEqual([])
    expect(await countProjects('swallowed')).toBe(0)
  })

  it('says what went wrong, not that all behind it went wrong as well', async () => {
    const divide = async (tx: Tx): Promise<unknown> => {
      const deep = async () => tx.query({ text: 'SELECT 1 / $1::int', values: [0] })
      return await (async () => await deep())()
    }
    for (let round = 0; round < 20; round++) {
      const failing = pool.transaction({ tenantId: mine.tenantId }, (tx) =>
        Promise.all([divide(tx), ...Array.from({ length: 5 }, () => tx.query({ text: 'SELECT 1' }))]),
      )
      await expect(failing).rejects.toThrow('division by zero')
    }
  })

  it('has one scope for plain SQL and for TypeORM', async () => {
    await pool.transaction({ tenantId: theirs.tenantId }, (tx) => addProject(tx, 'theirs', theirs.tenantId))
    const seen = await pool.transaction({ tenantId: mine.tenantId }, async (tx) => ({
      entities: await tx.entities.findBy(ProjectEntity, {}),
      rows: await tx.query<{ tenant_id: string }>({ text: 'SELECT tenant_id FROM projects' }),
    }))
    expect(seen.rows.length).toBeGreaterThan(0)
    expect(new Set(seen.rows.map((row) => row.tenant_id))).toEqual(new Set([mine.tenantId]))
    expect(seen.entities.map((project) => project.tenantId)).toEqual(seen.rows.map((row) => row.tenant_id))
  })

  it('leaves no setting on the connection, however it ended', async () => {
    const scope = {
      tenantId: mine.tenantId,
      userId: mine.userId,
      signInEmail: mine.email,
      purpose: 'runs.sweep',
    }
    const ends: Record<string, () => Promise<unknown>> = {
      commit: () => pool.transaction(scope, (tx) => tx.query({ text: 'SELECT 1' })),
      throw: () => pool.transaction(scope, () => Promise.reject(new Error('no'))),
      failedStatement: () => pool.transaction(scope, (tx) => tx.query({ text: 'SELECT 1 / 0' })),
      read: () => pool.read(scope, { text: 'SELECT 1' }),
      failedRead: () => pool.read(scope, { text: 'SELECT 1 / 0' }),
      unparsableRead: () => pool.read(scope, { name: 'test_unparsable', text: 'SELEKT' }),
    }
    for (const [end, run] of Object.entries(ends)) {
      await run().catch(() => undefined)
      expect([end, await readLeftovers()]).toEqual([end, []])
    }
  })

  it('cannot be spoken in once it is over: the connection is that of somebody else by then', async () => {
    let straggle: () => void = () => undefined
    const others = new Promise<void>((resolve) => (straggle = resolve))
    let late: Promise<unknown>[] = []
    const failing = pool.transaction({ tenantId: mine.tenantId }, async (tx) => {
      const straggler = others.then(() => {
        late = [
          addProject(tx, 'late', theirs.tenantId),
          tx.query({ text: 'SELECT 1' }),
          tx.entities.findBy(ProjectEntity, {}),
        ]
        return Promise.allSettled(late)
      })
      await Promise.all([straggler, tx.query({ text: 'SELECT 1 / 0' })])
    })
    await expect(failing).rejects.toThrow('division by zero')

    await pool.transaction({ tenantId: theirs.tenantId }, async (tx) => {
      await tx.query({ text: 'SELECT 1' })
      straggle()
      await tx.query({ text: 'SELECT pg_sleep(0.1)' })
    })
    expect(late).toHaveLength(3)
    for (const outcome of await Promise.allSettled(late)) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { message: 'this transaction is over' } })
    }
    expect(await countProjects('late')).toBe(0)
  })
})

describe('a flight', () => {
  const scope = () => ({ tenantId: mine.tenantId })

  it('keeps all that was asked for, in one commit, and gives each statement its own result', async () => {
    const seen: string[] = []
    const results = await pool.flight(scope(), (tx) => {
      tx.afterCommit(() => seen.push('committed'))
      return Promise.all([
        addProject(tx, 'flight-one'),
        tx.query({ name: 'test_series', text: 'SELECT n FROM generate_series(1, 3) n' }),
        addProject(tx, 'flight-two'),
        tx.query({ text: 'SELECT app_tenant() AS tenant WHERE $1', values: [false] }),
        tx.query({ text: 'SELECT txid_current()::text AS id' }),
        tx.query({ text: 'SELECT txid_current()::text AS id' }),
      ])
    })
    expect(results.slice(0, 4)).toEqual([1, [{ n: 1 }, { n: 2 }, { n: 3 }], 1, []])
    expect(results[4]).toEqual(results[5])
    expect(seen).toEqual(['committed'])
    expect(await countProjects('flight-one')).toBe(1)
    expect(await countProjects('flight-two')).toBe(1)
    expect(await readLeftovers()).toEqual([])
  })

  it('keeps nothing when one statement fails, the first or the last, and says which way it failed', async () => {
    const seen: string[] = []
    const divide = (tx: Tx) => tx.query({ text: 'SELECT 1 / $1::int', values: [0] })
    const add = (tx: Tx) => addProject(tx, 'flight-undone')
    for (const asked of [
      [add, divide],
      [divide, add],
      [add, (tx: Tx) => addProject(tx, 'flight-foreign', theirs.tenantId)],
    ]) {
      const flight = pool.flight(scope(), (tx) => {
        tx.afterCommit(() => seen.push('committed'))
        return Promise.all(asked.map((ask) => ask(tx)))
      })
      await expect(flight).rejects.toThrow(/division by zero|row-level security/)
    }
    expect(await countProjects('flight-undone')).toBe(0)
    expect(seen).toEqual([])
    expect(await pool.read({}, { text: 'SELECT 1 AS one' })).toEqual([{ one: 1 }])
    expect(pool.load).toMatchObject({ total: 1, idle: 1, waiting: 0 })
  })

  it('sends nothing when the work throws before it waits', async () => {
    const flight = pool.flight(scope(), async (tx) => {
      void addProject(tx, 'flight-unsent')
      throw new Error('changed my mind')
    })
    await expect(flight).rejects.toThrow('changed my mind')
    expect(await countProjects('flight-unsent')).toBe(0)
    expect(pool.load).toMatchObject({ total: 1, idle: 1, waiting: 0 })
  })

  it('leaves the connection with statements that can be used again, also after they have failed elsewhere', async () => {
    const divide = (by: number) => ({ name: 'test_divide', text: 'SELECT 1 / $1::int AS it', values: [by] })
    const count = { name: 'test_count', text: 'SELECT 1 AS it' }
    const both = (by: number) => (tx: Tx) => Promise.all([tx.query(divide(by)), tx.query(count)])
    expect(await pool.flight(scope(), both(1))).toEqual([[{ it: 1 }], [{ it: 1 }]])
    await expect(pool.transaction(scope(), both(0))).rejects.toThrow('division by zero')
    expect(await pool.transaction(scope(), both(1))).toEqual([[{ it: 1 }], [{ it: 1 }]])
    expect(await pool.flight(scope(), both(1))).toEqual([[{ it: 1 }], [{ it: 1 }]])
  })

  it('refuses what is asked for after it has left', async () => {
    const flight = pool.flight(scope(), async (tx) => {
      await addProject(tx, 'flight-left')
      await addProject(tx, 'flight-late')
    })
    await expect(flight).rejects.toThrow('this transaction is over')
    expect(await countProjects('flight-late')).toBe(0)
  })

  it('has no room for TypeORM, nor for last work', async () => {
    await expect(pool.flight(scope(), async (tx) => void tx.entities)).rejects.toThrow('statements only')
    const withLastWork = pool.flight(scope(), async (tx) => tx.beforeCommit(async () => undefined))
    await expect(withLastWork).rejects.toThrow('no last work')
  })
})

describe('a connection', () => {
  it('is as good as new after a statement that could not be prepared', async () => {
    const bad = { name: 'test_bad', text: 'SELECT no_such_column FROM runs' }
    const good = { name: 'test_bad', text: 'SELECT 1 AS one' }
    for (let round = 0; round < 3; round++) {
      await expect(pool.transaction({}, (tx) => tx.query(bad))).rejects.toThrow('no_such_column')
      await expect(pool.read({}, bad)).rejects.toThrow('no_such_column')
    }
    expect(await pool.transaction({}, (tx) => tx.query(good))).toEqual([{ one: 1 }])
    expect(await pool.read({}, good)).toEqual([{ one: 1 }])
  })

  it('is given back after each use: twenty failures in a row leave none taken', async () => {
    for (let index = 0; index < 20; index++) {
      const attempt =
        index % 2 === 0
          ? pool.read({}, { text: 'SELECT 1 / $1::int', values: [0] })
          : pool.transaction({}, (tx) => tx.query({ text: 'SELECT 1 / $1::int', values: [0] }))
      await expect(attempt).rejects.toThrow('division by zero')
    }
    expect(await pool.read({}, { text: 'SELECT 1 AS one' })).toEqual([{ one: 1 }])
    expect(pool.load).toMatchObject({ total: 1, idle: 1, waiting: 0 })
  })

  it('refuses values that the driver cannot send, and lives', async () => {
    const circular: Record<string, unknown> = {}
    circular['self'] = circular
    const statement = { text: 'SELECT $1::jsonb', values: [circular] }
    await expect(pool.read({}, statement)).rejects.toThrow(/circular/)
    await expect(pool.transaction({}, (tx) => tx.query(statement))).rejects.toThrow(/circular/)
    await expect(pool.flight({}, (tx) => tx.query(statement))).rejects.toThrow(/circular/)
    expect(await pool.read({}, { text: 'SELECT 1 AS one' })).toEqual([{ one: 1 }])
  })
})

describe('a read', () => {
  it('gives rows of every shape: none, one, many, and nothing at all from a statement without rows', async () => {
    const scope = { tenantId: mine.tenantId }
    expect(await pool.read(scope, { text: 'SELECT 1 AS one WHERE false' })).toEqual([])
    expect(await pool.read(scope, { text: 'SELECT app_tenant() AS tenant' })).toEqual([{ tenant: mine.tenantId }])
    const many = await pool.read<{ n: number }>(scope, { text: 'SELECT n FROM generate_series(1, 5000) n' })
    expect(many.map(({ n }) => n)).toEqual(Array.from({ length: 5000 }, (_, index) => index + 1))
  })

  it('sees the scope that it was given, whatever stands around it', async () => {
    const tenants = [mine.tenantId, theirs.tenantId, undefined]
    const statement = { name: 'test_who', text: 'SELECT app_tenant() AS tenant' }
    const answers = await Promise.all(
      Array.from({ length: 300 }, async (_, index) => {
        const tenantId = tenants[index % tenants.length]
        const [row] = await pool.read<{ tenant: string | null }>(tenantId ? { tenantId } : {}, statement)
        return row?.tenant === (tenantId ?? null)
      }),
    )
    expect(answers.every(Boolean)).toBe(true)
  })

  it('takes the scope as a value, never as SQL', async () => {
    const scope = { signInEmail: `x', true); SELECT set_config('app.current_tenant', '${theirs.tenantId}` }
    expect(await pool.read(scope, { text: 'SELECT app_tenant() AS tenant' })).toEqual([{ tenant: null }])
    expect(await pool.transaction(scope, (tx) => tx.query({ text: 'SELECT * FROM runs' }))).toEqual([])
  })
})
