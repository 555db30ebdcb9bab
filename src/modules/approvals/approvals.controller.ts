import { Body, Controller, Get, Param, Post, Query, Req, Res } from '@nestjs/common'
import { ApiBody, ApiTags } from '@nestjs/swagger'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Endpoint } from '#platform/http/endpoint.js'
import { type Page, sendNextLink } from '#platform/http/page.js'
import { CurrentPrincipal, type Principal } from '#platform/http/principal.js'
import { ApprovalDecisions } from './approval-decisions.service.js'
import { ApprovalQueries } from './approval-queries.service.js'
import {
  type Approval,
  type ApprovalListQuery,
  approvalListQuerySchema,
  approvalPageSchema,
  approvalSchema,
  type ApprovalSummary,
  type DecideApprovalCommand,
  decideApprovalSchema,
} from './approvals.schemas.js'

const DECISION_DESCRIPTION =
  'The run goes on at once, on any replica. 409 `approval_decided` when somebody was first, or its time is over; 403 where the tenant does not let requesters decide, and you are the one.'

/** The document takes every body for a required one; the rest of what it says comes from the schema. */
const OPTIONAL_BODY = { required: false }

@ApiTags('approvals')
@Controller('v1/approvals')
export class ApprovalsController {
  constructor(
    private readonly queries: ApprovalQueries,
    private readonly decisions: ApprovalDecisions,
  ) {}

  @Get()
  @Endpoint({
    summary: 'List approvals, newest first',
    description: 'Without their arguments: get an approval for that.',
    access: 'approvals:read',
    answers: [{ status: 200, description: 'A page of approvals.', schema: approvalPageSchema }],
    problems: [400],
  })
  async list(
    @CurrentPrincipal() principal: Principal,
    @Query({ schema: approvalListQuerySchema }) query: ApprovalListQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Page<ApprovalSummary>> {
    const page = await this.queries.list(principal, query)
    sendNextLink(request, reply, page)
    return page
  }

  @Get(':id')
  @Endpoint({
    summary: 'Get an approval',
    access: 'approvals:read',
    answers: [{ status: 200, description: 'The approval.', schema: approvalSchema }],
    problems: [404],
  })
  get(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<Approval> {
    return this.queries.get(principal, id)
  }

  @Post(':id/approve')
  @Endpoint({
    summary: 'Approve exactly the arguments that are asked about',
    description: DECISION_DESCRIPTION,
    access: 'approvals:write',
    idempotent: true,
    answers: [{ status: 200, description: 'Approved.', schema: approvalSchema }],
    problems: [404, 409],
  })
  @ApiBody(OPTIONAL_BODY)
  approve(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body({ schema: decideApprovalSchema }) command: DecideApprovalCommand,
  ): Promise<Approval> {
    return this.decisions.decide(principal, id, { status: 'approved', comment: command?.comment ?? null })
  }

  @Post(':id/reject')
  @Endpoint({
    summary: 'Reject what is asked for',
    description: DECISION_DESCRIPTION,
    access: 'approvals:write',
    idempotent: true,
    answers: [{ status: 200, description: 'Rejected.', schema: approvalSchema }],
    problems: [404, 409],
  })
  @ApiBody(OPTIONAL_BODY)
  reject(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body({ schema: decideApprovalSchema }) command: DecideApprovalCommand,
  ): Promise<Approval> {
    return this.decisions.decide(principal, id, { status: 'rejected', comment: command?.comment ?? null })
  }
}
