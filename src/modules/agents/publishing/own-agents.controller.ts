import { Body, Controller, Delete, Param, Patch, Post, Res } from '@nestjs/common'
import { ApiTags } from '@nestjs/swagger'
import type { FastifyReply } from 'fastify'
import { Endpoint } from '#platform/http/endpoint.js'
import { CurrentPrincipal, type Principal } from '#platform/http/principal.js'
import {
  type Agent,
  agentAddress,
  agentSchema,
  type CreateAgentCommand,
  createAgentSchema,
  type UpdateAgentCommand,
  updateAgentSchema,
} from '../agents.schemas.js'
import { OwnAgents } from './own-agents.service.js'

@ApiTags('agents')
@Controller('v1/agents')
export class OwnAgentsController {
  constructor(private readonly agents: OwnAgents) {}

  @Post()
  @Endpoint({
    summary: 'Make an agent of your own',
    description: 'Its version is 1, unless there was one of this slug before: versions go on counting.',
    access: 'agents:write',
    idempotent: true,
    answers: [{ status: 201, description: 'The agent.', schema: agentSchema }],
    problems: [400, 409],
  })
  async create(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: createAgentSchema }) command: CreateAgentCommand,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Agent> {
    const agent = await this.agents.create(principal, command)
    void reply.header('Location', agentAddress(agent.slug))
    return agent
  }

  @Patch(':slug')
  @Endpoint({
    summary: 'Publish the next version of an agent of your own',
    description:
      'A field that is absent stays, null clears it. Versions never change: runs that were started with an earlier one keep it. ' +
      'A request that changes nothing makes no version.',
    access: 'agents:write',
    answers: [{ status: 200, description: 'The agent in its current version.', schema: agentSchema }],
    problems: [400, 404, 409],
  })
  update(
    @CurrentPrincipal() principal: Principal,
    @Param('slug') slug: string,
    @Body({ schema: updateAgentSchema }) changes: UpdateAgentCommand,
  ): Promise<Agent> {
    return this.agents.update(principal, slug, changes)
  }

  @Delete(':slug')
  @Endpoint({
    summary: 'Delete an agent of your own',
    description: 'Runs that were started with it go on, and keep their version.',
    access: 'agents:write',
    answers: [{ status: 204, description: 'It is gone.' }],
    problems: [404, 409],
  })
  async delete(@CurrentPrincipal() principal: Principal, @Param('slug') slug: string): Promise<void> {
    await this.agents.delete(principal, slug)
  }
}
