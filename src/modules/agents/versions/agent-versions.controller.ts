import { Controller, Get, Param, Query, Req, Res } from '@nestjs/common'
import { ApiTags } from '@nestjs/swagger'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Endpoint } from '#platform/http/endpoint.js'
import { type Page, sendNextLink } from '#platform/http/page.js'
import { CurrentPrincipal, type Principal } from '#platform/http/principal.js'
import {
  type AgentListQuery,
  agentListQuerySchema,
  type AgentVersion,
  agentVersionPageSchema,
  agentVersionSchema,
  type AgentVersionSummary,
} from '../agents.schemas.js'
import { AgentVersions } from './agent-versions.service.js'

@ApiTags('agents')
@Controller('v1/agents/:slug/versions')
export class AgentVersionsController {
  constructor(private readonly versions: AgentVersions) {}

  @Get()
  @Endpoint({
    summary: 'List the versions of an agent, newest first',
    description: 'Without their instructions: get a version for that.',
    access: 'agents:read',
    answers: [{ status: 200, description: 'A page of versions.', schema: agentVersionPageSchema }],
    problems: [400, 404],
  })
  async list(
    @CurrentPrincipal() principal: Principal,
    @Param('slug') slug: string,
    @Query({ schema: agentListQuerySchema }) query: AgentListQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Page<AgentVersionSummary>> {
    const page = await this.versions.list(principal, slug, query)
    sendNextLink(request, reply, page)
    return page
  }

  @Get(':version')
  @Endpoint({
    summary: 'Get an agent as it was in a version',
    access: 'agents:read',
    answers: [{ status: 200, description: 'The version.', schema: agentVersionSchema }],
    problems: [404],
  })
  get(
    @CurrentPrincipal() principal: Principal,
    @Param('slug') slug: string,
    @Param('version') version: string,
  ): Promise<AgentVersion> {
    return this.versions.get(principal, slug, version)
  }
}
