import { Body, Controller, HttpCode, Param, Post, Req, UseGuards } from '@nestjs/common'
import { AuthGuard } from '@nestjs/passport'
import { IsString, Length } from 'class-validator'
import { AgentsService } from './agents.service.ts'
import type { Principal } from './jwt.strategy.ts'
import type { RunResponse } from './run.response.ts'

export class StartRun {
  @IsString()
  @Length(1, 5000)
  task!: string
}

@Controller('agents')
@UseGuards(AuthGuard('jwt'))
export class AgentsController {
  constructor(private readonly agents: AgentsService) {}

  @Post(':slug/run')
  @HttpCode(200)
  run(@Req() request: { user: Principal }, @Param('slug') slug: string, @Body() body: StartRun): Promise<RunResponse> {
    return this.agents.run(request.user, slug, body.task)
  }
}
