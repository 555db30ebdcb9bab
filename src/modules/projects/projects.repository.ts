import { Injectable } from '@nestjs/common'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import type { ProjectKey, ProjectRecord, ProjectStatus } from './project.js'
import type { ProjectSummaryRow } from './project-view.js'

const SUMMARY_COLUMNS = `id, slug, name, created_at AS "createdAt", updated_at AS "updatedAt", archived_at AS "archivedAt"`
const COLUMNS = `${SUMMARY_COLUMNS}, tenant_id AS "tenantId", description`
const ONE = 'FROM projects WHERE tenant_id = $1 AND slug = $2 AND deleted_at IS NULL'

/** Said in so many words, since each has an index of its own. */
const LISTED: Readonly<Record<ProjectStatus | 'all', string>> = {
  all: 'FROM projects WHERE tenant_id = $1 AND deleted_at IS NULL',
  active: 'FROM projects WHERE tenant_id = $1 AND deleted_at IS NULL AND archived_at IS NULL',
  archived: 'FROM projects WHERE tenant_id = $1 AND deleted_at IS NULL AND archived_at IS NOT NULL',
}
/** No id is behind it: a page that begins at the newest asks as all others do, and has their plan. */
const BEHIND_ALL = 'ffffffff-ffff-ffff-ffff-ffffffffffff'

/** Projects as their owners see and change them. One that is deleted is not found by anything here. */
@Injectable()
export class ProjectsRepository {
  constructor(private readonly database: Database) {}

  /** Counts a tenant's projects; until `tx` ends nobody else counts or adds. */
  async countForAdding(tenantId: string, tx: Tx): Promise<number> {
    await tx.execute({ text: 'SELECT 1 FROM tenants WHERE id = $1 FOR NO KEY UPDATE', values: [tenantId] })
    const rows = await tx.query<{ count: string }>({
      text: `SELECT count(*) AS count ${LISTED.all}`,
      values: [tenantId],
    })
    return Number(rows[0]?.count)
  }

  /** Those of the slugs that projects have. */
  async filterTaken(tenantId: string, slugs: readonly string[], tx: Tx): Promise<ReadonlySet<string>> {
    const rows = await tx.query<{ slug: string }>({
      text: `SELECT slug ${LISTED.all} AND slug = ANY ($2)`,
      values: [tenantId, slugs],
    })
    return new Set(rows.map(({ slug }) => slug))
  }

  async add({ tenantId, id, slug, name, description, createdAt, updatedAt }: ProjectRecord, tx: Tx): Promise<void> {
    await tx.execute({
      text: `INSERT INTO projects (tenant_id, id, slug, name, description, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)`,
      values: [tenantId, id, slug, name, description, createdAt, updatedAt],
    })
  }

  async find({ tenantId, slug }: ProjectKey, tx: Tx): Promise<ProjectRecord | null> {
    const rows = await tx.query<ProjectRecord>({ text: `SELECT ${COLUMNS} ${ONE}`, values: [tenantId, slug] })
    return rows[0] ?? null
  }

  /** Until `tx` ends nobody else changes it. Runs begin meanwhile: their foreign keys lock it in another way. */
  async findForChange({ tenantId, slug }: ProjectKey, tx: Tx): Promise<ProjectRecord | null> {
    const rows = await tx.query<ProjectRecord>({
      text: `SELECT ${COLUMNS} ${ONE} FOR NO KEY UPDATE`,
      values: [tenantId, slug],
    })
    return rows[0] ?? null
  }

  /** Waits for all whose runs and schedules are about to begin in it; until `tx` ends no others do. */
  async findForClosing({ tenantId, slug }: ProjectKey, tx: Tx): Promise<ProjectRecord | null> {
    const rows = await tx.query<ProjectRecord>({
      text: `SELECT ${COLUMNS} ${ONE} FOR UPDATE`,
      values: [tenantId, slug],
    })
    return rows[0] ?? null
  }

  async update({ tenantId, id, name, description, archivedAt, updatedAt }: ProjectRecord, tx: Tx): Promise<void> {
    await tx.execute({
      text: `UPDATE projects SET name = $3, description = $4, archived_at = $5, updated_at = $6 WHERE tenant_id = $1 AND id = $2`,
      values: [tenantId, id, name, description, archivedAt, updatedAt],
    })
  }

  /** The row stays for runs and costs. @param now when that is */
  async delete({ tenantId, id }: ProjectRecord, now: Date, tx: Tx): Promise<void> {
    await tx.execute({
      text: 'UPDATE projects SET deleted_at = $3, updated_at = $3 WHERE tenant_id = $1 AND id = $2',
      values: [tenantId, id, now],
    })
  }

  /** Outside of a transaction, in one flight; null when there is none. */
  async read({ tenantId, slug }: ProjectKey): Promise<ProjectRecord | null> {
    const statement = { name: 'project_read', text: `SELECT ${COLUMNS} ${ONE}`, values: [tenantId, slug] }
    const rows = await this.database.read<ProjectRecord>({ tenantId }, statement)
    return rows[0] ?? null
  }

  /** Newest first; up to `limit`, after the project `after`. */
  list(
    tenantId: string,
    status: ProjectStatus | undefined,
    { after = BEHIND_ALL, limit }: { after: string | undefined; limit: number },
  ): Promise<ProjectSummaryRow[]> {
    const kind = status ?? 'all'
    return this.database.read<ProjectSummaryRow>(
      { tenantId },
      {
        name: `project_list_${kind}`,
        text: `SELECT ${SUMMARY_COLUMNS} ${LISTED[kind]} AND id < $2 ORDER BY id DESC LIMIT $3`,
        values: [tenantId, after, limit],
      },
    )
  }

  async count(tenantId: string, status: ProjectStatus | undefined): Promise<number> {
    const kind = status ?? 'all'
    const rows = await this.database.read<{ count: string }>(
      { tenantId },
      { name: `project_count_${kind}`, text: `SELECT count(*) AS count ${LISTED[kind]}`, values: [tenantId] },
    )
    return Number(rows[0]?.count)
  }
}
