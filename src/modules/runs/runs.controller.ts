import { Controller, Get, Param, Post, Query, Req, Res } from '@nestjs/common'
import { ApiTags } from '@nestjs/swagger'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Endpoint } from '#platform/http/endpoint.js'
import { type Page, sendNextLink } from '#platform/http/page.js'
import { CurrentPrincipal, type Principal } from '#platform/http/principal.js'
import { RunCancellation } from './run-cancellation.service.js'
import { RunQueries } from './run-queries.service.js'
import { RunRetry } from './run-retry.service.js'
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
    private readonly cancellation: RunCancellation,
    private readonly retries: RunRetry,
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

  @Post(':id/cancel')
  @Endpoint({
    summary: 'Stop a run and all that it delegated',
    description: 'What is being worked on ends within a second; what it has used by then counts.',
    access: 'runs:write',
    answers: [{ status: 202, description: 'The run, which is being stopped or is stopped.', schema: runSchema }],
    problems: [404, 409],
  })
  cancel(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<Run> {
    return this.cancellation.cancel(principal, id)
  }

  @Post(':id/retry')
  @Endpoint({
    summary: 'Start a finished run anew',
    description: "A new run of the same command, on the agent's version of today.",
    access: 'runs:write',
    idempotent: true,
    rateLimit: 'agent-run',
    answers: [{ status: 202, description: 'The new run: see `Location`.', schema: runSchema }],
    problems: [400, 402, 404, 409],
  })
  async retry(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Run> {
    const run = await this.retries.retry(principal, id)
    void reply.header('Location', `/v1/runs/${run.id}`)
    return run
  }
}
