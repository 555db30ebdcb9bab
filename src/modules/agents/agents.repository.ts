import { Injectable } from '@nestjs/common'
import type { ConnectionPool } from '#platform/database/connection-pool.js'
import { Database, type PoolName } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import type { AgentContent, AgentOverview } from './agent-definition.js'

/** One of a tenant's own agents. */
export interface AgentKey {
  readonly tenantId: string
  readonly slug: string
}

/** A version as it is written, and never changed. */
export interface AgentVersionRow {
  readonly version: number
  readonly definition: AgentContent
  readonly createdBy: string | null
  readonly createdAt: Date
}

/** A version as a list shows it. */
export type AgentVersionOverview = Omit<AgentVersionRow, 'definition'> &
  Pick<AgentContent, 'name' | 'description' | 'capabilities'>

const SUMMARY_FIELDS = `v.definition->>'name' AS name, v.definition->>'description' AS description,
  v.definition->'capabilities' AS capabilities`
const OVERVIEW_COLUMNS = `a.slug, a.current_version AS version, ${SUMMARY_FIELDS}, false AS "builtIn"`
const FROM_CURRENT = `FROM agents a
  JOIN agent_versions v ON v.tenant_id = a.tenant_id AND v.slug = a.slug AND v.version = a.current_version
  WHERE a.tenant_id = $1 AND a.deleted_at IS NULL`
const VERSION_COLUMNS = 'version, definition, created_by AS "createdBy", created_at AS "createdAt"'

/** Tenants' own agents as they are read, each in one flight. */
@Injectable()
export class AgentsRepository {
  private readonly requests: ConnectionPool

  constructor(private readonly database: Database) {
    this.requests = database.requests
  }

  /** The number of the current version; null for an agent that is not, or not any more. */
  async findCurrentVersion({ tenantId, slug }: AgentKey, pool: PoolName): Promise<number | null> {
    const rows = await this.database[pool].read<{ version: number }>(
      { tenantId },
      {
        name: 'agent_current_version',
        text: `SELECT current_version AS version FROM agents
                WHERE tenant_id = $1 AND slug = $2 AND deleted_at IS NULL`,
        values: [tenantId, slug],
      },
    )
    return rows[0]?.version ?? null
  }

  /** Also of agents that are deleted. For requests and workers alike. */
  async findVersion(
    { tenantId, slug, version }: AgentKey & { version: number },
    pool: PoolName,
  ): Promise<AgentVersionRow | null> {
    const rows = await this.database[pool].read<AgentVersionRow>(
      { tenantId },
      {
        name: 'agent_version',
        text: `SELECT ${VERSION_COLUMNS} FROM agent_versions WHERE tenant_id = $1 AND slug = $2 AND version = $3`,
        values: [tenantId, slug, version],
      },
    )
    return rows[0] ?? null
  }

  /** By slug as JavaScript orders them; up to `limit`, after the slug `after`. */
  list(
    tenantId: string,
    { after = '', limit }: { after?: string | undefined; limit: number },
  ): Promise<AgentOverview[]> {
    return this.requests.read<AgentOverview>(
      { tenantId },
      {
        name: 'agents_list',
        text: `SELECT ${OVERVIEW_COLUMNS} ${FROM_CURRENT} AND a.slug COLLATE "C" > $2
                ORDER BY a.slug COLLATE "C" LIMIT $3`,
        values: [tenantId, after, limit],
      },
    )
  }

  /** Those among `slugs`, or all with `slugs` null. For workers. */
  listForDelegation(tenantId: string, slugs: readonly string[] | null): Promise<AgentOverview[]> {
    return this.database.workers.read<AgentOverview>(
      { tenantId },
      {
        name: 'agents_for_delegation',
        text: `SELECT ${OVERVIEW_COLUMNS} ${FROM_CURRENT} AND ($2::text[] IS NULL OR a.slug = ANY ($2))`,
        values: [tenantId, slugs],
      },
    )
  }

  /** Those of the slugs that are agents of the tenant. */
  async filterExisting(tenantId: string, slugs: readonly string[]): Promise<string[]> {
    const rows = await this.requests.read<{ slug: string }>(
      { tenantId },
      {
        text: 'SELECT slug FROM agents WHERE tenant_id = $1 AND slug = ANY ($2) AND deleted_at IS NULL',
        values: [tenantId, slugs],
      },
    )
    return rows.map(({ slug }) => slug)
  }

  /** Newest first; up to `limit`, before the version `before`. */
  listVersions(
    { tenantId, slug }: AgentKey,
    { before, limit }: { before: number | null; limit: number },
  ): Promise<AgentVersionOverview[]> {
    return this.requests.read<AgentVersionOverview>(
      { tenantId },
      {
        name: 'agent_versions_list',
        text: `SELECT v.version, ${SUMMARY_FIELDS}, v.created_by AS "createdBy", v.created_at AS "createdAt"
                 FROM agent_versions v
                WHERE v.tenant_id = $1 AND v.slug = $2 AND ($3::integer IS NULL OR v.version < $3)
                ORDER BY v.version DESC LIMIT $4`,
        values: [tenantId, slug, before, limit],
      },
    )
  }

  /** Until `tx` ends nobody else makes an agent in the tenant. @returns how many it has */
  async countForAdding(tenantId: string, tx: Tx): Promise<number> {
    await tx.execute({ text: 'SELECT 1 FROM tenants WHERE id = $1 FOR NO KEY UPDATE', values: [tenantId] })
    const rows = await tx.query<{ count: number }>({
      text: 'SELECT count(*)::integer AS count FROM agents WHERE tenant_id = $1 AND deleted_at IS NULL',
      values: [tenantId],
    })
    return rows[0]?.count ?? 0
  }

  /** Makes an agent, or one anew that was deleted. @returns its first version; null when the slug is taken */
  async add({ tenantId, slug, now }: AgentKey & { now: Date }, tx: Tx): Promise<number | null> {
    const rows = await tx.query<{ version: number }>({
      text: `INSERT INTO agents (tenant_id, slug, current_version, created_at, updated_at) VALUES ($1, $2, 1, $3, $3)
             ON CONFLICT (tenant_id, slug) DO UPDATE
                SET current_version = agents.current_version + 1, created_at = $3, updated_at = $3, deleted_at = NULL
              WHERE agents.deleted_at IS NOT NULL
             RETURNING current_version AS version`,
      values: [tenantId, slug, now],
    })
    return rows[0]?.version ?? null
  }

  /**
   * The current version; until `tx` ends nobody else publishes another. Two statements: one that waits for the lock would
   * go on with the version that was current before it waited.
   */
  async lockCurrent({ tenantId, slug }: AgentKey, tx: Tx): Promise<AgentVersionRow | null> {
    const locked = await tx.query<{ version: number }>({
      text: `SELECT current_version AS version FROM agents
              WHERE tenant_id = $1 AND slug = $2 AND deleted_at IS NULL FOR NO KEY UPDATE`,
      values: [tenantId, slug],
    })
    if (!locked[0]) return null
    const rows = await tx.query<AgentVersionRow & Record<string, unknown>>({
      text: `SELECT ${VERSION_COLUMNS} FROM agent_versions WHERE tenant_id = $1 AND slug = $2 AND version = $3`,
      values: [tenantId, slug, locked[0].version],
    })
    return rows[0] ?? null
  }

  async addVersion(
    { tenantId, slug }: AgentKey,
    { version, definition, createdBy, createdAt }: AgentVersionRow,
    tx: Tx,
  ): Promise<void> {
    await tx.execute({
      text: `INSERT INTO agent_versions (tenant_id, slug, version, definition, created_by, created_at)
             VALUES ($1, $2, $3, $4, $5, $6)`,
      values: [tenantId, slug, version, JSON.stringify(definition), createdBy, createdAt],
    })
  }

  async setCurrent(
    { tenantId, slug }: AgentKey,
    { version, now }: { version: number; now: Date },
    tx: Tx,
  ): Promise<void> {
    await tx.execute({
      text: 'UPDATE agents SET current_version = $3, updated_at = $4 WHERE tenant_id = $1 AND slug = $2',
      values: [tenantId, slug, version, now],
    })
  }

  /** Its versions stay, for the runs that were started with them. @returns the last; null when it is not there */
  async markDeleted({ tenantId, slug, now }: AgentKey & { now: Date }, tx: Tx): Promise<number | null> {
    const rows = await tx.query<{ version: number }>({
      text: `UPDATE agents SET deleted_at = $3, updated_at = $3
              WHERE tenant_id = $1 AND slug = $2 AND deleted_at IS NULL RETURNING current_version AS version`,
      values: [tenantId, slug, now],
    })
    return rows[0]?.version ?? null
  }
}
