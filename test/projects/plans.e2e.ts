import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { newId } from '#kernel/ids.js'
import { ProjectClaimsRepository } from '../../src/modules/projects/project-claims.repository.js'
import { ProjectUseReadModel } from '../../src/modules/projects/project-use.read-model.js'
import { ProjectsRepository } from '../../src/modules/projects/projects.repository.js'
import { RunsRepository } from '../../src/modules/runs/runs.repository.js'
import type { RunFilter } from '../../src/modules/runs/runs.schemas.js'
import { MigratedDatabase } from '../support/migrated-database.js'
import { RecordedDatabase, type RecordedStatement } from '../support/recorded-database.js'
import { scansOf, type TableScan } from '../support/table-scans.js'

const TENANTS = 20
const PROJECTS = 10_000
/** Those of one tenant: one in five. */
const PROJECTS_OF_TENANT = PROJECTS / 5
const RUNS = 40_000
/** Of these, those of the one project with the most; nobody but it has the agent `devops`, and it has no run that failed. */
const RUNS_OF_BIGGEST = 10_000
const BIGGEST = 'project-0'
/** As a list of twenty asks. */
const LIMIT = 21

let database: MigratedDatabase
let tenantId: string
/** Far behind the newest of the tenant's projects, and of the biggest one's runs. */
let deepProject: string
let deepRun: string
const recorded = new RecordedDatabase()
const projects = new ProjectsRepository(recorded.database)
const runs = new RunsRepository(recorded.database)

beforeAll(async () => {
  database = await MigratedDatabase.create()
  const { superuser } = database
  const tenants = Array.from({ length: TENANTS }, newId)
  tenantId = tenants[0]!
  await superuser.query(`INSERT INTO tenants (id, name, created_at) SELECT unnest($1::uuid[]), 'x', now()`, [tenants])
  // Of that tenant's one in five is archived, one in ten is deleted.
  await superuser.query(
    `INSERT INTO projects (tenant_id, id, slug, name, created_at, updated_at, archived_at, deleted_at)
     SELECT ($1::uuid[])[CASE WHEN n % 5 = 0 THEN 1 ELSE 2 + n % ($2::integer - 1) END], uuid_at(now() - n * interval '1 s'),
            'project-' || n, 'x', now(), now(), CASE WHEN n % 25 = 5 THEN now() END, CASE WHEN n % 50 = 10 THEN now() END
       FROM generate_series(0, $3::integer - 1) AS n`,
    [tenants, TENANTS, PROJECTS],
  )
  await superuser.query(
    `INSERT INTO runs (tenant_id, id, root_run_id, project_id, agent, agent_version, status, task, model, input, created_at)
     SELECT tenant_id, id, id, project_id, agent, 1, status, 'x', 'x', '{}', at
       FROM (SELECT p.tenant_id, p.id AS project_id, uuid_at(now() - n * interval '1 s') AS id, now() - n * interval '1 s' AS at,
                    CASE WHEN n < $1 AND n % 10 = 0 THEN 'devops' ELSE 'developer' END AS agent,
                    CASE WHEN n >= $1 AND n % 4 = 0 THEN 'failed' WHEN n >= $1 AND n % 4 = 1 THEN 'waiting_approval'
                         WHEN n = $1 / 2 THEN 'running' ELSE 'completed' END AS status
               FROM generate_series(0, $2::integer - 1) AS n
               JOIN projects p ON p.slug = 'project-' || CASE WHEN n < $1 THEN 0 ELSE 1 + n % ($3 - 1) END) AS planted`,
    [RUNS_OF_BIGGEST, RUNS, PROJECTS],
  )
  await superuser.query(
    `INSERT INTO scheduled_tasks (tenant_id, id, name, agent, task, input, cron, timezone, anchor_at, overlap, catch_up_seconds,
       jitter_seconds, is_active, cursor_at, next_nominal_at, next_run_at, tz_version, user_id, created_at, updated_at, project_id)
     SELECT tenant_id, id, 'x', 'x', 'x', '{}', '@daily', 'UTC', now(), 'skip', 0, 0, true, now(), now(), now(), 'x', tenant_id, now(),
            now(), id
       FROM projects WHERE slug <> $1`,
    [BIGGEST],
  )
  await superuser.query(
    `INSERT INTO task_executions (tenant_id, id, schedule_id, trigger, nominal_at, due_at, fired_at, status, created_at, finished_at)
     SELECT tenant_id, uuid_at(now()), id, 'schedule', now(), now(), now(), 'completed', now(), now() FROM scheduled_tasks`,
  )
  await superuser.query('VACUUM ANALYZE projects, runs, scheduled_tasks, task_executions, tenants')
  const idAt = async (table: string, condition: string, place: number): Promise<string> => {
    const sql = `SELECT id FROM ${table} WHERE ${condition} ORDER BY id DESC OFFSET ${place} LIMIT 1`
    return (await database.rows<{ id: string }>(sql))[0]!.id
  }
  deepProject = await idAt('projects', `tenant_id = '${tenantId}'`, PROJECTS_OF_TENANT - 600)
  deepRun = await idAt(
    'runs',
    `project_id = (SELECT id FROM projects WHERE slug = '${BIGGEST}')`,
    RUNS_OF_BIGGEST - 500,
  )
})
afterAll(async () => database[Symbol.asyncDispose]())

const tx = () => recorded.tx({ tenantId })

/** The scans of the one statement that `work` says; none of them reads a whole table. */
async function scans(work: () => Promise<unknown>): Promise<TableScan[]> {
  const statements = await recorded.during(work)
  expect(statements).toHaveLength(1)
  const [statement] = statements as [RecordedStatement]
  const found = await scansOf(database, statement, 'once')
  expect({ text: statement.text, found }).toMatchObject({ found: found.map(() => ({ index: expect.any(String) })) })
  // What is prepared is planned for any values in the end.
  if (statement.name !== null) {
    const ever = await scansOf(database, statement, 'ever')
    expect({ text: statement.text, ever }).toMatchObject({ ever: ever.map(() => ({ index: expect.any(String) })) })
  }
  return found
}

const of = (table: string, found: readonly TableScan[]): TableScan[] => found.filter((scan) => scan.table === table)

describe('a page of projects reads what it shows, the first as a late one', () => {
  it.each([
    [undefined, 'idx_projects_newest', LIMIT],
    ['active', 'idx_projects_active', LIMIT],
    // Of the few that are left behind it, to read all and sort them is as good.
    ['archived', 'idx_projects_archived', PROJECTS_OF_TENANT / 10],
  ] as const)('status: %s', async (status, index, most) => {
    const [first] = await scans(() => projects.list(tenantId, status, { after: undefined, limit: LIMIT }))
    expect(first).toEqual({ table: 'projects', index, rows: LIMIT })
    const [late] = await scans(() => projects.list(tenantId, status, { after: deepProject, limit: LIMIT }))
    expect(late).toMatchObject({ table: 'projects', index })
    expect(late?.rows).toBeLessThanOrEqual(most)
  })

  it.each([
    [undefined, /^(idx_projects_newest|projects_tenant_slug_key)$/],
    ['archived', /^idx_projects_archived$/],
  ] as const)('and a count reads what it counts: %s', async (status, index) => {
    const [{ count: expected } = { count: 0 }] = await database.rows<{ count: number }>(
      `SELECT count(*)::int AS count FROM projects
        WHERE tenant_id = $1 AND deleted_at IS NULL AND ($2::boolean IS NULL OR archived_at IS NOT NULL)`,
      [tenantId, status === undefined ? null : true],
    )
    expect(expected).toBeGreaterThan(20)
    const [counted] = await scans(() => projects.count(tenantId, status))
    expect(counted).toEqual({ table: 'projects', index: expect.stringMatching(index), rows: expected })
  })
})

it('a project is found by its slug, and by what refers to it', async () => {
  const claims = new ProjectClaimsRepository()
  for (const [work, index] of [
    [() => projects.read({ tenantId, slug: BIGGEST }), 'projects_tenant_slug_key'],
    [() => claims.claim(BIGGEST, tx()), 'projects_tenant_slug_key'],
    [() => claims.claimReferred(deepProject, tx()), 'projects_pkey'],
  ] as const) {
    expect(await scans(work)).toEqual([{ table: 'projects', index, rows: 1 }])
  }
})

it('what goes on in a project is found without a look at what has ended, or goes on in others', async () => {
  const [{ id } = { id: '' }] = await database.rows<{ id: string }>('SELECT id FROM projects WHERE slug = $1', [
    BIGGEST,
  ])
  const found = await scans(() => new ProjectUseReadModel().find({ tenantId, id }, tx()))
  expect(of('runs', found)).toEqual([{ table: 'runs', index: 'idx_runs_project_status_created', rows: 1 }])
})

describe('a page of the runs of a project with many reads what it shows, the first as a late one', () => {
  it.each<[string, RunFilter, string | RegExp, number]>([
    ['alone', {}, 'idx_runs_project_newest', LIMIT],
    ['with a status that most have', { status: 'completed' }, 'idx_runs_project_status_created', LIMIT],
    ['with a status that one has', { status: 'running' }, /^idx_runs_(project_status_created|running)$/, 1],
    ['with a status that others have', { status: 'failed' }, 'idx_runs_project_status_created', 0],
    ['with an agent', { agent: 'devops' }, 'idx_runs_project_agent', LIMIT],
    ['with an agent that others have', { agent: 'developer' }, 'idx_runs_project_agent', LIMIT],
    ['with an agent that nobody has', { agent: 'designer' }, 'idx_runs_project_agent', 0],
  ])('%s', async (_what, filter, index, rows) => {
    const asked = { ...filter, project: BIGGEST }
    const first = await scans(() => runs.list({ tenantId }, asked, { limit: LIMIT }))
    expect(of('runs', first)).toEqual([{ table: 'runs', index: expect.stringMatching(index), rows }])
    const late = await scans(() => runs.list({ tenantId }, asked, { after: deepRun, limit: LIMIT }))
    expect(of('runs', late)).toMatchObject([{ table: 'runs', index: expect.stringMatching(index) }])
    expect(of('runs', late)[0]?.rows).toBeLessThanOrEqual(LIMIT)
    for (const { rows: read } of of('projects', [...first, ...late])) expect(read).toBeLessThanOrEqual(LIMIT)
  })

  it('and a count reads what it counts', async () => {
    const found = await scans(() => runs.count({ tenantId }, { project: BIGGEST }))
    expect(of('runs', found)).toEqual([
      { table: 'runs', index: expect.stringMatching(/^idx_runs_project_/), rows: RUNS_OF_BIGGEST },
    ])
    const some = await scans(() => runs.count({ tenantId }, { project: BIGGEST, agent: 'devops' }))
    expect(of('runs', some)).toEqual([{ table: 'runs', index: 'idx_runs_project_agent', rows: RUNS_OF_BIGGEST / 10 }])
  })
})

it('a page of the runs of a slug that another project had before reads as much of each', async () => {
  const id = newId()
  await database.superuser.query(
    `INSERT INTO projects (tenant_id, id, slug, name, created_at, updated_at, deleted_at) VALUES ($1, $2, $3, 'x', now(), now(), now())`,
    [tenantId, id, BIGGEST],
  )
  await database.superuser.query(
    `INSERT INTO runs (tenant_id, id, root_run_id, project_id, agent, agent_version, status, task, model, input, created_at)
     SELECT $1, id, id, $2, 'developer', 1, 'completed', 'x', 'x', '{}', now()
       FROM (SELECT uuid_at(now() - n * interval '1 s') AS id FROM generate_series(1, 1000) AS n) AS planted`,
    [tenantId, id],
  )
  const found = await scans(() => runs.list({ tenantId }, { project: BIGGEST }, { limit: LIMIT }))
  expect(found).toEqual(
    expect.arrayContaining([
      { table: 'projects', index: 'idx_projects_tenant_slug', rows: 2 },
      { table: 'runs', index: 'idx_runs_project_newest', rows: 2 * LIMIT },
    ]),
  )
  expect(found).toHaveLength(2)
})
