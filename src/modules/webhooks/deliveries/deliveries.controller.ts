import { Controller, Get, Param, Post, Query, Req, Res } from '@nestjs/common'
import { ApiTags } from '@nestjs/swagger'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Endpoint } from '#platform/http/endpoint.js'
import { type Page, sendNextLink } from '#platform/http/page.js'
import { CurrentPrincipal, type Principal } from '#platform/http/principal.js'
import {
  type DeliveryListQuery,
  deliveryListQuerySchema,
  deliveryPageSchema,
  type WebhookDelivery,
  webhookDeliverySchema,
  type WebhookDeliverySummary,
  webhookDeliverySummarySchema,
} from './deliveries.schemas.js'
import { DeliveryQueries } from './delivery-queries.service.js'
import { DeliveryRetry } from './delivery-retry.service.js'

@ApiTags('webhooks')
@Controller('v1')
export class DeliveriesController {
  constructor(
    private readonly queries: DeliveryQueries,
    private readonly retries: DeliveryRetry,
  ) {}

  @Get('webhooks/:id/deliveries')
  @Endpoint({
    summary: "List a webhook's deliveries, newest first",
    description: 'Without what was sent and answered: get a delivery for that.',
    access: 'webhooks:read',
    answers: [{ status: 200, description: 'A page of deliveries.', schema: deliveryPageSchema }],
    problems: [400, 404],
  })
  async list(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Query({ schema: deliveryListQuerySchema }) query: DeliveryListQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Page<WebhookDeliverySummary>> {
    const page = await this.queries.list(principal, id, query)
    sendNextLink(request, reply, page)
    return page
  }

  @Get('webhook-deliveries/:id')
  @Endpoint({
    summary: 'Get a delivery with its attempts',
    access: 'webhooks:read',
    answers: [{ status: 200, description: 'The delivery.', schema: webhookDeliverySchema }],
    problems: [404],
  })
  get(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<WebhookDelivery> {
    return this.queries.get(principal, id)
  }

  @Post('webhook-deliveries/:id/retry')
  @Endpoint({
    summary: 'Send a delivery again',
    description:
      'Whatever came of it, it is due at once; its attempts go on counting. 409 `delivery_in_progress` while it is being sent, `webhook_inactive` where its webhook is switched off or deleted.',
    access: 'webhooks:write',
    idempotent: true,
    answers: [{ status: 202, description: 'The delivery, which is due.', schema: webhookDeliverySummarySchema }],
    problems: [404, 409],
  })
  retry(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<WebhookDeliverySummary> {
    return this.retries.retry(principal, id)
  }
}
