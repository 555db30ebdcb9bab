import { Controller, Get, Param, Query, Req, Res } from '@nestjs/common'
import { ApiTags } from '@nestjs/swagger'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Endpoint } from '#platform/http/endpoint.js'
import { decodeCursor, type Page, sendNextLink, toPage } from '#platform/http/page.js'
import { CurrentPrincipal, type Principal } from '#platform/http/principal.js'
import { CacheAnswer } from '#platform/http/response-cache/cache-answer.js'
import type { CacheRule } from '#platform/http/response-cache/cache-rule.js'
import { AgentDirectory } from './agent-directory.js'
import { isAgentSlug } from './agent-definition.js'
import { BuiltInAgents } from './built-in-agents.service.js'
import {
  type Agent,
  type AgentListQuery,
  agentListQuerySchema,
  agentPageSchema,
  agentSchema,
  type AgentSummary,
  toAgent,
} from './agents.schemas.js'

const CACHE_RULE: CacheRule = { kind: 'catalogue', tags: ['agents'], sharedBy: 'permissions' }

@ApiTags('agents')
@Controller('v1/agents')
export class AgentsController {
  constructor(
    private readonly directory: AgentDirectory,
    private readonly builtIn: BuiltInAgents,
  ) {}

  @Get()
  @CacheAnswer(CACHE_RULE)
  @Endpoint({
    summary: 'List agents, by slug',
    description: 'Those that came with the server, and your own.',
    access: 'agents:read',
    answers: [{ status: 200, description: 'A page of agents.', schema: agentPageSchema }],
    problems: [400],
  })
  async list(
    @CurrentPrincipal() { tenantId }: Principal,
    @Query({ schema: agentListQuerySchema }) { limit, cursor }: AgentListQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Page<AgentSummary>> {
    const after = cursor === undefined ? undefined : decodeCursor(cursor, isAgentSlug)
    const agents = await this.directory.list(tenantId, { after, limit: limit + 1 })
    const page = toPage(agents, limit, ({ slug }) => slug)
    sendNextLink(request, reply, page)
    return page
  }

  @Get(':slug')
  @CacheAnswer(CACHE_RULE)
  @Endpoint({
    summary: 'Get an agent with its instructions and output schema',
    access: 'agents:read',
    answers: [{ status: 200, description: 'The agent.', schema: agentSchema }],
    problems: [404],
  })
  async get(@CurrentPrincipal() { tenantId }: Principal, @Param('slug') slug: string): Promise<Agent> {
    const agent = await this.directory.get(tenantId, slug)
    return toAgent(agent, { builtIn: this.builtIn.find(slug) !== undefined })
  }
}
