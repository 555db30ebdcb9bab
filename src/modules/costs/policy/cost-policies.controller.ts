import { Body, Controller, Get, Put } from '@nestjs/common'
import { ApiTags } from '@nestjs/swagger'
import { Endpoint } from '#platform/http/endpoint.js'
import { CurrentPrincipal, type Principal } from '#platform/http/principal.js'
import { type CostPolicy, costPolicySchema } from './cost-policies.schemas.js'
import { CostPolicies } from './cost-policies.service.js'

@ApiTags('costs')
@Controller('v1/cost-policy')
export class CostPoliciesController {
  constructor(private readonly policies: CostPolicies) {}

  @Get()
  @Endpoint({
    summary: "Get the tenant's cost policy",
    access: 'costs:read',
    answers: [{ status: 200, description: 'What holds.', schema: costPolicySchema }],
  })
  get(@CurrentPrincipal() principal: Principal): Promise<CostPolicy> {
    return this.policies.get(principal)
  }

  @Put()
  @Endpoint({
    summary: "Set the tenant's cost policy",
    description:
      'In another time zone the current days, weeks and months of all budgets begin at other moments, and what is spent in them is counted anew.',
    access: 'costs:configure',
    answers: [{ status: 200, description: 'As it is now.', schema: costPolicySchema }],
    problems: [400],
  })
  replace(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: costPolicySchema }) policy: CostPolicy,
  ): Promise<CostPolicy> {
    return this.policies.replace(principal, policy)
  }
}
