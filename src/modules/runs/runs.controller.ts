import { Controller, Get, Param, Query, Req, Res } from '@nestjs/common'
import { ApiTags } from '@nestjs/swagger'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Endpoint } from '#platform/http/endpoint.js'
import { type Page, sendNextLink } from '#platform/http/page.js'
import { CurrentPrincipal, type Principal } from '#platform/http/principal.js'
import { RunQueries } from './run-queries.service.js'
import {
  type Run,
  runCountQuerySchema,
  runCountSchema,
  type RunFilter,
  type RunListQuery,
  runListQuerySchema,
  runPageSchema,
  runSchema,
  type RunSummary,
} from './runs.schemas.js'
import { RunsService } from './runs.service.js'

@ApiTags('runs')
@Controller('v1/runs')
export class RunsController {
  constructor(
    private readonly runs: RunsService,
    private readonly queries: RunQueries,
  ) {}

  @Get()
  @Endpoint({
    summary: 'List runs, newest first',
    description: 'Without their outputs: get a run for that.',
    access: 'runs:read',
    answers: [{ status: 200, description: 'A page of runs.', schema: runPageSchema }],
    problems: [400],
  })
  async list(
    @CurrentPrincipal() principal: Principal,
    @Query({ schema: runListQuerySchema }) query: RunListQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Page<RunSummary>> {
    const page = await this.queries.list(principal, query)
    sendNextLink(request, reply, page)
    return page
  }

  @Get('count')
  @Endpoint({
    summary: 'Count runs',
    access: 'runs:read',
    answers: [{ status: 200, description: 'How many runs match.', schema: runCountSchema }],
    problems: [400],
  })
  async count(
    @CurrentPrincipal() principal: Principal,
    @Query({ schema: runCountQuerySchema }) filter: RunFilter,
  ): Promise<{ count: number }> {
    return { count: await this.queries.count(principal, filter) }
  }

  @Get(':id')
  @Endpoint({
    summary: 'Get a run',
    access: 'runs:read',
    answers: [{ status: 200, description: 'The run.', schema: runSchema }],
    problems: [404],
  })
  get(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<Run> {
    return this.runs.get(principal, id)
  }
}
