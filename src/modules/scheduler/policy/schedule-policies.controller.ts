import { Body, Controller, Get, Put } from '@nestjs/common'
import { ApiTags } from '@nestjs/swagger'
import { Endpoint } from '#platform/http/endpoint.js'
import { CurrentPrincipal, type Principal } from '#platform/http/principal.js'
import { type SchedulePolicy, schedulePolicySchema } from './schedule-policies.schemas.js'
import { SchedulePolicies } from './schedule-policies.service.js'

@ApiTags('schedules')
@Controller('v1/schedule-policy')
export class SchedulePoliciesController {
  constructor(private readonly policies: SchedulePolicies) {}

  @Get()
  @Endpoint({
    summary: "Get the tenant's schedule policy",
    access: 'schedules:read',
    answers: [{ status: 200, description: 'What holds for schedules to come.', schema: schedulePolicySchema }],
  })
  get(@CurrentPrincipal() principal: Principal): Promise<SchedulePolicy> {
    return this.policies.get(principal)
  }

  @Put()
  @Endpoint({
    summary: "Set the tenant's schedule policy",
    description:
      'For schedules to come: those that are there stay as they are until somebody gives them other times. Less than the server allows is refused.',
    access: 'schedules:configure',
    answers: [{ status: 200, description: 'As it is now.', schema: schedulePolicySchema }],
    problems: [400],
  })
  replace(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: schedulePolicySchema }) policy: SchedulePolicy,
  ): Promise<SchedulePolicy> {
    return this.policies.replace(principal, policy)
  }
}
