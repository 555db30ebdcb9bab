import { Controller, Get, Query, Req, Res } from '@nestjs/common'
import { ApiTags } from '@nestjs/swagger'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Endpoint } from '#platform/http/endpoint.js'
import { type Page, sendNextLink } from '#platform/http/page.js'
import { CurrentPrincipal, type Principal } from '#platform/http/principal.js'
import {
  type CostEntry,
  type CostEntryListQuery,
  costEntryListQuerySchema,
  costEntryPageSchema,
} from './cost-entries.schemas.js'
import { CostEntries } from './cost-entries.service.js'
import {
  type CostSummary,
  type CostSummaryQuery,
  costSummaryQuerySchema,
  costSummarySchema,
} from './cost-summary.schemas.js'
import { CostSummaries } from './cost-summary.service.js'

@ApiTags('costs')
@Controller('v1/costs')
export class CostReportsController {
  constructor(
    private readonly summaries: CostSummaries,
    private readonly entries: CostEntries,
  ) {}

  @Get('summary')
  @Endpoint({
    summary: 'Sum up what was spent',
    description: 'Exact to the last digit for any range, and at any moment. Days and hours are those of UTC.',
    access: 'costs:read',
    answers: [{ status: 200, description: 'The sums.', schema: costSummarySchema }],
    problems: [400],
  })
  summarize(
    @CurrentPrincipal() principal: Principal,
    @Query({ schema: costSummaryQuerySchema }) query: CostSummaryQuery,
  ): Promise<CostSummary> {
    return this.summaries.summarize(principal, query)
  }

  @Get('entries')
  @Endpoint({
    summary: 'List booked model calls, newest first',
    access: 'costs:read',
    answers: [{ status: 200, description: 'A page of entries.', schema: costEntryPageSchema }],
    problems: [400],
  })
  async list(
    @CurrentPrincipal() principal: Principal,
    @Query({ schema: costEntryListQuerySchema }) query: CostEntryListQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Page<CostEntry>> {
    const page = await this.entries.list(principal, query)
    sendNextLink(request, reply, page)
    return page
  }
}
