import { Injectable } from '@nestjs/common'
import { LRU } from 'tiny-lru'
import type { PoolName } from '#platform/database/database.js'
import { type AgentDefinition, type AgentOverview, isAgentSlug } from './agent-definition.js'
import { noSuchAgent } from './agents.errors.js'
import { type AgentKey, AgentsRepository, type AgentVersionRow } from './agents.repository.js'
import { BuiltInAgents } from './built-in-agents.service.js'

/** A few kilobytes each as a rule; 64 MB at worst. */
const MAX_VERSIONS_IN_PROCESS = 128

/** The agents that a tenant can run: those that came with the server, and its own. */
@Injectable()
export class AgentDirectory {
  /** Never stale: a version does not change. */
  private readonly versions = new LRU<AgentDefinition>(MAX_VERSIONS_IN_PROCESS)

  constructor(
    private readonly builtIn: BuiltInAgents,
    private readonly agents: AgentsRepository,
  ) {}

  /** The current version. A built-in agent needs no database. @throws AppError `not_found` */
  async get(tenantId: string, slug: string, pool: PoolName = 'requests'): Promise<AgentDefinition> {
    const builtIn = this.builtIn.find(slug)
    if (builtIn) return builtIn
    const version = isAgentSlug(slug) ? await this.agents.findCurrentVersion({ tenantId, slug }, pool) : null
    if (version === null) throw noSuchAgent()
    return this.load({ tenantId, slug, version }, pool)
  }

  /**
   * For who works on a run: the version that it was started with, also of an agent that is gone by now. A built-in agent is
   * the one that this server has, whatever the version.
   * @throws AppError `not_found`
   */
  async getVersion(tenantId: string, slug: string, version: number): Promise<AgentDefinition> {
    return this.builtIn.find(slug) ?? (await this.load({ tenantId, slug, version }, 'workers'))
  }

  /** Agents that came with the server: every tenant has them. */
  get builtInSlugs(): readonly string[] {
    return this.builtIn.all.map(({ slug }) => slug)
  }

  isBuiltIn(slug: string): boolean {
    return this.builtIn.find(slug) !== undefined
  }

  /** Up to `limit` agents by slug, after the one named. */
  async list(
    tenantId: string,
    { after, limit }: { after?: string | undefined; limit: number },
  ): Promise<AgentOverview[]> {
    const own = await this.agents.list(tenantId, { after, limit })
    const builtIn = this.builtIn.all.filter(({ slug }) => after === undefined || slug > after)
    return this.merge(builtIn, own).slice(0, limit)
  }

  /** For who works on a run: those that an agent may give tasks to, by slug. Names that are nobody's any more are left out. */
  async listDelegates(
    tenantId: string,
    { slug, delegates }: Pick<AgentDefinition, 'slug' | 'delegates'>,
  ): Promise<AgentOverview[]> {
    const isMeant = (other: string): boolean => other !== slug && (delegates === 'all' || delegates.includes(other))
    const builtIn = this.builtIn.all.filter((agent) => isMeant(agent.slug))
    const named = delegates === 'all' ? null : delegates.filter((name) => !this.builtIn.find(name))
    const own = named?.length === 0 ? [] : await this.agents.listForDelegation(tenantId, named)
    return this.merge(
      builtIn,
      own.filter((agent) => isMeant(agent.slug)),
    )
  }

  private async load(key: AgentKey & { version: number }, pool: PoolName): Promise<AgentDefinition> {
    const name = `${key.tenantId}/${key.slug}/${key.version}`
    const known = this.versions.get(name)
    if (known) return known
    const row = await this.agents.findVersion(key, pool)
    if (!row) throw noSuchAgent()
    const definition = toDefinition(key.slug, row)
    this.versions.set(name, definition)
    return definition
  }

  /** An agent that a later release builds in goes before a tenant's own of that name. */
  private merge(builtIn: readonly AgentDefinition[], own: readonly AgentOverview[]): AgentOverview[] {
    const others = own.filter(({ slug }) => !this.builtIn.find(slug))
    return [...builtIn.map(toOverview), ...others].sort((a, b) => (a.slug < b.slug ? -1 : 1))
  }
}

function toDefinition(slug: string, { version, definition }: AgentVersionRow): AgentDefinition {
  return { ...definition, slug, version }
}

function toOverview({ slug, name, version, description, capabilities }: AgentDefinition): AgentOverview {
  return { slug, name, version, description, capabilities, builtIn: true }
}
