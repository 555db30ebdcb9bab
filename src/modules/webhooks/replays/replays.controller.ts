import { Body, Controller, Get, Param, Post, Query, Req, Res } from '@nestjs/common'
import { ApiTags } from '@nestjs/swagger'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Endpoint } from '#platform/http/endpoint.js'
import { type Page, sendNextLink } from '#platform/http/page.js'
import { CurrentPrincipal, type Principal } from '#platform/http/principal.js'
import { ReplayQueries } from './replay-queries.service.js'
import {
  type ReplayCount,
  replayCountSchema,
  type ReplayListQuery,
  replayListQuerySchema,
  replayPageSchema,
  type ReplayWebhookCommand,
  replayWebhookSchema,
  type WebhookReplay,
  webhookReplaySchema,
} from './replays.schemas.js'
import { addressOf, Replays } from './replays.service.js'

const OK = 200

@ApiTags('webhooks')
@Controller('v1/webhooks/:id')
export class ReplaysController {
  constructor(
    private readonly replays: Replays,
    private readonly queries: ReplayQueries,
  ) {}

  @Post('replay')
  @Endpoint({
    summary: 'Send what a webhook was told in a window of time again',
    description:
      'Each message once, the oldest first, however many there are, with the `webhook-id` that it had. One replay of a webhook at a time: 409 `replay_in_progress`; 409 `webhook_inactive` where it is switched off. With `dryRun` nothing is sent: it is counted, also of a webhook that is switched off.',
    access: 'webhooks:write',
    idempotent: true,
    answers: [
      { status: 202, description: 'The replay, which goes on by itself: see `Location`.', schema: webhookReplaySchema },
      { status: 200, description: 'With `dryRun`: how many messages.', schema: replayCountSchema },
    ],
    problems: [400, 404, 409],
  })
  async replay(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body({ schema: replayWebhookSchema }) command: ReplayWebhookCommand,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<WebhookReplay | ReplayCount> {
    if (command.dryRun) {
      void reply.status(OK)
      return { count: await this.queries.count(principal, id, command) }
    }
    const replay = await this.replays.start(principal, id, command)
    void reply.header('Location', addressOf(replay))
    return replay
  }

  @Get('replays')
  @Endpoint({
    summary: "List a webhook's replays, newest first",
    access: 'webhooks:read',
    answers: [{ status: 200, description: 'A page of replays.', schema: replayPageSchema }],
    problems: [400, 404],
  })
  async list(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Query({ schema: replayListQuerySchema }) query: ReplayListQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Page<WebhookReplay>> {
    const page = await this.queries.list(principal, id, query)
    sendNextLink(request, reply, page)
    return page
  }

  @Get('replays/:replayId')
  @Endpoint({
    summary: 'Get a replay',
    access: 'webhooks:read',
    answers: [{ status: 200, description: 'The replay, and how far it is.', schema: webhookReplaySchema }],
    problems: [404],
  })
  get(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Param('replayId') replayId: string,
  ): Promise<WebhookReplay> {
    return this.queries.get(principal, id, replayId)
  }
}
