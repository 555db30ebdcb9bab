import { Body, Controller, Headers, Param, Post, Res } from '@nestjs/common'
import { ApiHeader, ApiTags } from '@nestjs/swagger'
import type { FastifyReply } from 'fastify'
import { Endpoint } from '#platform/http/endpoint.js'
import { parseWaitPreference } from '#platform/http/prefer.js'
import { CurrentPrincipal, type Principal } from '#platform/http/principal.js'
import { type Run, runSchema, type StartRunCommand, startRunSchema } from './runs.schemas.js'
import { isOver, RunsService } from './runs.service.js'

const ACCEPTED = 202

@ApiTags('agents')
@Controller('v1/agents')
export class AgentRunController {
  constructor(private readonly runs: RunsService) {}

  @Post(':slug/run')
  @ApiHeader({
    name: 'Prefer',
    required: false,
    description: '`wait=N` waits N seconds (60; at most 300) for the end; `respond-async` does not wait (RFC 7240).',
  })
  @Endpoint({
    summary: 'Give an agent a task',
    description: 'A run that fails is a 200, too: the request worked; `status` and `error` tell.',
    access: 'runs:write',
    idempotent: true,
    rateLimit: 'agent-run',
    waits: true,
    answers: [
      { status: 200, description: 'The finished run.', schema: runSchema },
      { status: 202, description: 'The run, which goes on: see `Location`.', schema: runSchema },
    ],
    problems: [400, 404],
  })
  async run(
    @CurrentPrincipal() principal: Principal,
    @Param('slug') slug: string,
    @Body({ schema: startRunSchema }) command: StartRunCommand,
    @Headers('prefer') prefer: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Run> {
    const { waitSeconds, applied } = parseWaitPreference(prefer)
    const run = await this.runs.start(principal, slug, command, waitSeconds)
    if (applied !== undefined) void reply.header('Preference-Applied', applied)
    if (!isOver(run)) void reply.status(ACCEPTED).header('Location', `/v1/runs/${run.id}`)
    return run
  }
}
