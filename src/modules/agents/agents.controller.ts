import { Controller, Get, Param, Query, Req, Res } from '@nestjs/common'
import { ApiTags } from '@nestjs/swagger'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Endpoint } from '#platform/http/endpoint.js'
import { decodeCursor, type Page, sendNextLink, toPage } from '#platform/http/page.js'
import { CacheAnswer } from '#platform/http/response-cache/cache-answer.js'
import type { CacheRule } from '#platform/http/response-cache/cache-rule.js'
import { AgentDirectory } from './agent-directory.js'
import { agentSlugSchema } from './agent-definition.js'
import {
  type Agent,
  type AgentListQuery,
  agentListQuerySchema,
  agentPageSchema,
  agentSchema,
  type AgentSummary,
  toAgent,
  toAgentSummary,
} from './agents.schemas.js'

const CACHE_RULE: CacheRule = { kind: 'catalogue', tags: ['agents'], sharedBy: 'permissions' }

@ApiTags('agents')
@Controller('v1/agents')
export class AgentsController {
  constructor(private readonly directory: AgentDirectory) {}

  @Get()
  @CacheAnswer(CACHE_RULE)
  @Endpoint({
    summary: 'List agents, by slug',
    access: 'agents:read',
    answers: [{ status: 200, description: 'A page of agents.', schema: agentPageSchema }],
    problems: [400],
  })
  list(
    @Query({ schema: agentListQuerySchema }) { limit, cursor }: AgentListQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Page<AgentSummary> {
    const after = cursor === undefined ? undefined : decodeCursor(cursor, isSlug)
    const agents = this.directory.list({ after, limit: limit + 1 })
    const page = toPage(agents.map(toAgentSummary), limit, (agent) => agent.slug)
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
  get(@Param('slug') slug: string): Agent {
    return toAgent(this.directory.get(slug))
  }
}

function isSlug(key: string): boolean {
  return agentSlugSchema.safeParse(key).success
}
