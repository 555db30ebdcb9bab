import { Body, Controller, Headers, Param, Post, Req, Res } from '@nestjs/common'
import { ApiHeader, ApiTags } from '@nestjs/swagger'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { prefersEventStream } from '#platform/http/accept.js'
import { Endpoint } from '#platform/http/endpoint.js'
import { parseWaitPreference, RESPOND_ASYNC } from '#platform/http/prefer.js'
import { CurrentPrincipal, type Principal } from '#platform/http/principal.js'
import { type Run, runSchema, type StartRunCommand, startRunSchema } from './runs.schemas.js'
import { isOver, RunsService } from './runs.service.js'
import { RunStreams } from './streaming/run-streams.service.js'

const ACCEPTED = 202

@ApiTags('agents')
@Controller('v1/agents')
export class AgentRunController {
  constructor(
    private readonly runs: RunsService,
    private readonly streams: RunStreams,
  ) {}

  @Post(':slug/run')
  @ApiHeader({
    name: 'Prefer',
    required: false,
    description: '`wait=N` waits N seconds (60; at most 300) for the end; `respond-async` does not wait (RFC 7240).',
  })
  @Endpoint({
    summary: 'Give an agent a task',
    description:
      'A run that fails is a 200, too: the request worked; `status` and `error` tell. With `Accept: text/event-stream` the ' +
      "answer is the run's events as they happen, as in `GET /v1/runs/{id}/events`; `X-Run-Id` names the run, to resume there.",
    access: 'runs:write',
    idempotent: true,
    rateLimit: 'agent-run',
    waits: true,
    answers: [
      {
        status: 200,
        description: 'The finished run, or its events.',
        schema: runSchema,
        mediaType: 'text/event-stream',
      },
      { status: 202, description: 'The run, which goes on: see `Location`.', schema: runSchema },
    ],
    problems: [400, 402, 404, 409],
  })
  async run(
    @CurrentPrincipal() principal: Principal,
    @Param('slug') slug: string,
    @Body({ schema: startRunSchema }) command: StartRunCommand,
    @Headers('prefer') prefer: string | undefined,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Run | undefined> {
    if (prefersEventStream(request.headers.accept)) {
      // Before anything is started that could not be followed.
      this.streams.assertRoom(principal)
      const { runId, isReplayed } = await this.runs.startOnly(principal, slug, command)
      void reply.headers({ 'X-Run-Id': runId, Location: `/v1/runs/${runId}` })
      if (isReplayed) void reply.header('Idempotent-Replayed', 'true')
      await this.streams.open({ request, reply, principal, runId, after: 0 })
      return undefined
    }
    const { waitSeconds, applied } = parseWaitPreference(prefer)
    const run = await this.runs.start(principal, slug, command, waitSeconds)
    if (applied !== undefined) void reply.header('Preference-Applied', applied)
    // Who does not wait is told that it has begun, also where it is over by now.
    const isAccepted = !isOver(run) || applied === RESPOND_ASYNC
    if (isAccepted) void reply.status(ACCEPTED).header('Location', `/v1/runs/${run.id}`)
    return run
  }
}
