import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { decodeCursor, type Page, toPage } from '#platform/http/page.js'
import type { Principal } from '#platform/http/principal.js'
import { AgentDirectory } from '../agent-directory.js'
import type { AgentDefinition } from '../agent-definition.js'
import { AgentsRepository } from '../agents.repository.js'
import { type AgentListQuery, type AgentVersion, type AgentVersionSummary, toAgent } from '../agents.schemas.js'
import { BuiltInAgents } from '../built-in-agents.service.js'

/** As many digits as an `integer` of the database holds for sure. */
const VERSION_PATTERN = /^[1-9]\d{0,8}$/
/** A built-in agent came with the server: nobody published it here. */
const UNPUBLISHED = { createdAt: null, createdBy: null }

/** What an agent was in each of its versions. A deleted agent shows none. */
@Injectable()
export class AgentVersions {
  constructor(
    private readonly directory: AgentDirectory,
    private readonly builtIn: BuiltInAgents,
    private readonly agents: AgentsRepository,
  ) {}

  /** Newest first. @throws AppError `not_found` */
  async list({ tenantId }: Principal, slug: string, query: AgentListQuery): Promise<Page<AgentVersionSummary>> {
    const { limit, cursor } = query
    const before = cursor === undefined ? null : Number(decodeCursor(cursor, isVersion))
    const current = await this.directory.get(tenantId, slug)
    const versions = this.builtIn.find(slug)
      ? [toSummary(current)].filter(({ version }) => before === null || version < before)
      : await this.listOwn({ tenantId, slug }, { before, limit: limit + 1 })
    return toPage(versions, limit, ({ version }) => String(version))
  }

  /** @throws AppError `not_found`; of a built-in agent there is the current version and no other */
  async get({ tenantId }: Principal, slug: string, version: string): Promise<AgentVersion> {
    const current = await this.directory.get(tenantId, slug)
    const isBuiltIn = this.builtIn.find(slug) !== undefined
    if (isBuiltIn && version === String(current.version)) {
      return { ...toAgent(current, { builtIn: true }), ...UNPUBLISHED }
    }
    const wanted = isVersion(version) && !isBuiltIn ? { tenantId, slug, version: Number(version) } : null
    const row = wanted && (await this.agents.findVersion(wanted, 'requests'))
    if (!row) throw new AppError('not_found', 'not_found', { detail: 'The agent has no such version.' })
    const agent = toAgent({ ...row.definition, slug, version: row.version }, { builtIn: false })
    return { ...agent, createdAt: row.createdAt.toISOString(), createdBy: row.createdBy }
  }

  private async listOwn(
    key: { tenantId: string; slug: string },
    page: { before: number | null; limit: number },
  ): Promise<AgentVersionSummary[]> {
    const rows = await this.agents.listVersions(key, page)
    return rows.map(({ version, name, description, capabilities, createdAt, createdBy }) => {
      return { version, name, description, capabilities, createdAt: createdAt.toISOString(), createdBy }
    })
  }
}

function isVersion(text: string): boolean {
  return VERSION_PATTERN.test(text)
}

function toSummary({ version, name, description, capabilities }: AgentDefinition): AgentVersionSummary {
  return { version, name, description, capabilities, ...UNPUBLISHED }
}
