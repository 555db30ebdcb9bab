import { Controller, Get, Query } from '@nestjs/common'
import { ApiTags } from '@nestjs/swagger'
import { Endpoint } from '#platform/http/endpoint.js'
import { CurrentPrincipal, type Principal } from '#platform/http/principal.js'
import { CacheAnswer } from '#platform/http/response-cache/cache-answer.js'
import { FIGURES_TAG } from '#platform/http/response-cache/cache-rule.js'
import {
  type AgentMetrics,
  type AgentMetricsQuery,
  agentMetricsQuerySchema,
  agentMetricsSchema,
} from './agent-metrics.schemas.js'
import { AgentMetricsService } from './agent-metrics.service.js'

@ApiTags('metrics')
@Controller('v1/metrics/agents')
export class AgentMetricsController {
  constructor(private readonly metrics: AgentMetricsService) {}

  @Get()
  @CacheAnswer({ kind: 'metrics', tags: [FIGURES_TAG], sharedBy: 'permissions' })
  @Endpoint({
    summary: 'Compare agents: runs, durations, costs',
    description:
      'Of runs created, and calls booked, in that time. It is widened to whole hours of UTC, which `from` and `to` of the answer tell, and holds 92 days at most. Kept for 30 seconds.',
    access: 'metrics:read',
    answers: [{ status: 200, description: 'The figures of each agent.', schema: agentMetricsSchema }],
    problems: [400],
  })
  get(
    @CurrentPrincipal() principal: Principal,
    @Query({ schema: agentMetricsQuerySchema }) query: AgentMetricsQuery,
  ): Promise<AgentMetrics> {
    return this.metrics.get(principal, query)
  }
}
