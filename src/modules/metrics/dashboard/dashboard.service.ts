import { Injectable } from '@nestjs/common'
import { Usd } from '#kernel/usd.js'
import { AgentDirectory } from '#modules/agents'
import type { Principal } from '#platform/http/principal.js'
import { DashboardReadModel } from './dashboard.read-model.js'
import type { Dashboard } from './dashboard.schemas.js'

/** A tenant's figures of the day. */
@Injectable()
export class DashboardService {
  constructor(
    private readonly figures: DashboardReadModel,
    private readonly agents: AgentDirectory,
  ) {}

  async get({ tenantId }: Principal): Promise<Dashboard> {
    const { builtInSlugs } = this.agents
    const row = await this.figures.get({ tenantId, builtInSlugs })
    const agents = builtInSlugs.length + row.ownAgents
    const asked = row.cacheHits + row.cacheMisses
    return {
      projects: { active: row.activeProjects, total: row.projects },
      runs: {
        today: row.today,
        queued: row.queued,
        running: row.running,
        last24h: row.last24h,
        avgDurationMs: row.avgDurationMs,
        p95DurationMs: row.p95DurationMs,
        byStatus24h: row.byStatus,
      },
      agents: { healthy: agents - row.failingAgents, total: agents },
      costs: {
        todayUsd: Usd.parse(row.todayUsd).toString(),
        todayUnpriced: row.todayUnpriced,
        monthUsd: Usd.parse(row.monthUsd).toString(),
        monthUnpriced: row.monthUnpriced,
      },
      cacheHitRate: asked === 0 ? null : row.cacheHits / asked,
    }
  }
}
