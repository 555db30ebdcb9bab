import { Controller, Get, Headers, Param, Query, Req, Res } from '@nestjs/common'
import { ApiHeader, ApiTags } from '@nestjs/swagger'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Endpoint } from '#platform/http/endpoint.js'
import { type Page, sendNextLink } from '#platform/http/page.js'
import { CurrentPrincipal, type Principal } from '#platform/http/principal.js'
import {
  parseLastEventId,
  type RunLogEntry,
  runLogPageSchema,
  type RunLogsQuery,
  runLogsQuerySchema,
} from './run-events.schemas.js'
import { RunLogs } from './run-logs.service.js'
import { RunStreams } from './run-streams.service.js'

const EVENT_STREAM = 'text/event-stream'

@ApiTags('runs')
@Controller('v1/runs')
export class RunEventsController {
  constructor(
    private readonly streams: RunStreams,
    private readonly logs: RunLogs,
  ) {}

  @Get(':id/events')
  @ApiHeader({
    name: 'Last-Event-ID',
    required: false,
    description: 'The last `id` that you have: the stream goes on after it, on any replica. None or 0: from the start.',
    schema: { type: 'string', pattern: '^[0-9]{0,16}$' },
  })
  @Endpoint({
    summary: 'Follow a run',
    description:
      'Server-sent events: those that were, then those that come. `id` counts from 1 in each run and may skip numbers, ' +
      '`event` is the type and `data` is JSON; `output.delta` has `{ text }`, and the last event has the whole `run`. ' +
      'Comments keep the connection alive. A stream may end before the run does: come back with `Last-Event-ID`.',
    access: 'runs:read',
    answers: [
      { status: 200, description: 'The events, until the run ends.', mediaType: EVENT_STREAM },
      { status: 204, description: 'The run has ended, and you have its last event.' },
    ],
    problems: [400, 404],
  })
  async follow(
    @CurrentPrincipal() principal: Principal,
    @Param('id') runId: string,
    @Headers('last-event-id') lastEventId: string | undefined,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    await this.streams.open({ request, reply, principal, runId, after: parseLastEventId(lastEventId) })
  }

  @Get(':id/logs')
  @Endpoint({
    summary: 'Read the log of a run, oldest first',
    description:
      'The same events as the stream has; pieces of text that came within a moment are one entry. While the run goes on, ' +
      'a `nextCursor` of null means that there is nothing more yet: ask again with `after`.',
    access: 'runs:read',
    answers: [{ status: 200, description: 'A page of entries.', schema: runLogPageSchema }],
    problems: [400, 404],
  })
  async list(
    @CurrentPrincipal() principal: Principal,
    @Param('id') runId: string,
    @Query({ schema: runLogsQuerySchema }) query: RunLogsQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Page<RunLogEntry>> {
    const page = await this.logs.list(principal, runId, query)
    sendNextLink(request, reply, page)
    return page
  }
}
