import { Controller, Get, Param, Query, Req, Res } from '@nestjs/common'
import { ApiTags } from '@nestjs/swagger'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Endpoint } from '#platform/http/endpoint.js'
import { type Page, sendNextLink } from '#platform/http/page.js'
import { CurrentPrincipal, type Principal } from '#platform/http/principal.js'
import { ExecutionQueries } from './execution-queries.service.js'
import {
  type Execution,
  type ExecutionListQuery,
  executionListQuerySchema,
  executionPageSchema,
  executionSchema,
} from './executions.schemas.js'

@ApiTags('schedules')
@Controller('v1')
export class ExecutionsController {
  constructor(private readonly executions: ExecutionQueries) {}

  @Get('schedules/:id/executions')
  @Endpoint({
    summary: "List a schedule's executions, the latest due time first",
    access: 'schedules:read',
    answers: [{ status: 200, description: 'A page of executions.', schema: executionPageSchema }],
    problems: [400, 404],
  })
  async list(
    @CurrentPrincipal() { tenantId }: Principal,
    @Param('id') id: string,
    @Query({ schema: executionListQuerySchema }) query: ExecutionListQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Page<Execution>> {
    const page = await this.executions.listOf({ tenantId, id }, query)
    sendNextLink(request, reply, page)
    return page
  }

  @Get('schedules/:id/executions/:executionId')
  @Endpoint({
    summary: 'Get an execution',
    access: 'schedules:read',
    answers: [{ status: 200, description: 'The execution.', schema: executionSchema }],
    problems: [404],
  })
  get(
    @CurrentPrincipal() { tenantId }: Principal,
    @Param('id') id: string,
    @Param('executionId') executionId: string,
  ): Promise<Execution> {
    return this.executions.get({ tenantId, id }, executionId)
  }

  @Get('schedule-executions')
  @Endpoint({
    summary: 'List the executions of all schedules, the latest due time first',
    description: 'Those of deleted schedules included, as long as they are kept.',
    access: 'schedules:read',
    answers: [{ status: 200, description: 'A page of executions.', schema: executionPageSchema }],
    problems: [400],
  })
  async listAll(
    @CurrentPrincipal() principal: Principal,
    @Query({ schema: executionListQuerySchema }) query: ExecutionListQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Page<Execution>> {
    const page = await this.executions.listAll(principal, query)
    sendNextLink(request, reply, page)
    return page
  }
}
