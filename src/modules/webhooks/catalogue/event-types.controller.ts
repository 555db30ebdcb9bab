import { Controller, Get, Query, Req, Res } from '@nestjs/common'
import { ApiTags } from '@nestjs/swagger'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Endpoint } from '#platform/http/endpoint.js'
import { type Page, sendNextLink } from '#platform/http/page.js'
import { EventCatalogue } from './event-catalogue.service.js'
import {
  type WebhookEvent,
  type WebhookEventListQuery,
  webhookEventListQuerySchema,
  webhookEventListSchema,
} from './event-types.schemas.js'

@ApiTags('webhooks')
@Controller('v1/webhook-events')
export class EventTypesController {
  constructor(private readonly catalogue: EventCatalogue) {}

  @Get()
  @Endpoint({
    summary: 'List what webhooks are told',
    description: 'Each type of event with the JSON Schema of its body, and an example.',
    access: 'webhooks:read',
    answers: [{ status: 200, description: 'A page of types.', schema: webhookEventListSchema }],
    problems: [400],
  })
  list(
    @Query({ schema: webhookEventListQuerySchema }) query: WebhookEventListQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Page<WebhookEvent> {
    const page = this.catalogue.list(query)
    sendNextLink(request, reply, page)
    return page
  }
}
