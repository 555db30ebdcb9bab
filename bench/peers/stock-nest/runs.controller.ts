import { Controller, Get, Param, Req, UseGuards } from '@nestjs/common'
import { AuthGuard } from '@nestjs/passport'
import { IsUUID } from 'class-validator'
import type { Principal } from './jwt.strategy.ts'
import type { RunResponse } from './run.response.ts'
import { RunsService } from './runs.service.ts'

export class RunParams {
  @IsUUID()
  id!: string
}

@Controller('runs')
@UseGuards(AuthGuard('jwt'))
export class RunsController {
  constructor(private readonly runs: RunsService) {}

  @Get(':id')
  getRun(@Req() request: { user: Principal }, @Param() params: RunParams): Promise<RunResponse> {
    return this.runs.get(request.user.tenantId, params.id)
  }
}
