import { Body, Controller, Get, Put } from '@nestjs/common'
import { ApiTags } from '@nestjs/swagger'
import { Endpoint } from '#platform/http/endpoint.js'
import { CurrentPrincipal, type Principal } from '#platform/http/principal.js'
import { type ApprovalPolicy, approvalPolicySchema } from './approval-policies.schemas.js'
import { ApprovalPolicies } from './approval-policies.service.js'

@ApiTags('approvals')
@Controller('v1/approvals/policy')
export class ApprovalPoliciesController {
  constructor(private readonly policies: ApprovalPolicies) {}

  @Get()
  @Endpoint({
    summary: "Get the tenant's approval policy",
    access: 'approvals:read',
    answers: [{ status: 200, description: 'What holds for approvals to come.', schema: approvalPolicySchema }],
  })
  get(@CurrentPrincipal() principal: Principal): Promise<ApprovalPolicy> {
    return this.policies.get(principal)
  }

  @Put()
  @Endpoint({
    summary: "Set the tenant's approval policy",
    description: 'For approvals to come: those that are pending keep what held when they were asked.',
    access: 'approvals:configure',
    answers: [{ status: 200, description: 'As it is now.', schema: approvalPolicySchema }],
    problems: [400],
  })
  replace(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: approvalPolicySchema }) policy: ApprovalPolicy,
  ): Promise<ApprovalPolicy> {
    return this.policies.replace(principal, policy)
  }
}
