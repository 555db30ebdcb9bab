import { Body, Controller, Post } from '@nestjs/common'
import { ApiTags } from '@nestjs/swagger'
import { Endpoint } from '#platform/http/endpoint.js'
import { CurrentPrincipal, type Principal } from '#platform/http/principal.js'
import {
  type RerateCommand,
  type Rerating as ReratingAnswer,
  rerateSchema,
  reratingSchema,
} from './rerating.schemas.js'
import { Rerating } from './rerating.service.js'

@ApiTags('costs')
@Controller('v1/costs/rerate')
export class ReratingController {
  constructor(private readonly rerating: Rerating) {}

  @Post()
  @Endpoint({
    summary: 'Price what was booked without a price',
    description:
      'Entries of models that had no price get the one that is said by now to have held when they were booked; those that have a price keep it. Sums, budgets and runs follow. Asks for a dry run unless told otherwise. May be repeated: what is done is done.',
    access: 'costs:configure',
    idempotent: true,
    answers: [{ status: 200, description: 'What has changed, or would.', schema: reratingSchema }],
    problems: [400],
  })
  rerate(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: rerateSchema }) command: RerateCommand,
  ): Promise<ReratingAnswer> {
    return this.rerating.rerate(principal, command)
  }
}
