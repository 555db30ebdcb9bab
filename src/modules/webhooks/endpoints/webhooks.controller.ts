import { Body, Controller, Delete, Get, Header, Param, Patch, Post, Query, Req, Res } from '@nestjs/common'
import { ApiTags } from '@nestjs/swagger'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Endpoint } from '#platform/http/endpoint.js'
import { type Page, sendNextLink } from '#platform/http/page.js'
import { CurrentPrincipal, type Principal } from '#platform/http/principal.js'
import { WebhookChanges } from './webhook-changes.service.js'
import { WebhookCreation } from './webhook-creation.service.js'
import {
  addressOf,
  type ChangeWebhookCommand,
  changeWebhookSchema,
  type CreateWebhookCommand,
  createWebhookSchema,
  type Webhook,
  type WebhookListQuery,
  webhookListQuerySchema,
  webhookPageSchema,
  webhookSchema,
  type WebhookWithSecret,
  webhookWithSecretSchema,
} from './webhooks.schemas.js'
import { Webhooks } from './webhooks.service.js'

@ApiTags('webhooks')
@Controller('v1/webhooks')
export class WebhooksController {
  constructor(
    private readonly webhooks: Webhooks,
    private readonly creation: WebhookCreation,
    private readonly changes: WebhookChanges,
  ) {}

  @Post()
  @Header('Cache-Control', 'no-store')
  @Endpoint({
    summary: 'Add a webhook',
    description:
      'Its secret is in this answer and never again. What happens from now on is delivered to it, signed by Standard Webhooks 1.0.0.',
    access: 'webhooks:write',
    idempotent: true,
    answers: [{ status: 201, description: 'The webhook with its secret; keep it.', schema: webhookWithSecretSchema }],
    problems: [400],
  })
  async create(
    @CurrentPrincipal() { tenantId }: Principal,
    @Body({ schema: createWebhookSchema }) command: CreateWebhookCommand,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<WebhookWithSecret> {
    const created = await this.creation.create(tenantId, command)
    void reply.header('Location', addressOf(created))
    return created
  }

  @Get()
  @Endpoint({
    summary: 'List webhooks, newest first',
    access: 'webhooks:read',
    answers: [{ status: 200, description: 'A page of webhooks.', schema: webhookPageSchema }],
    problems: [400],
  })
  async list(
    @CurrentPrincipal() { tenantId }: Principal,
    @Query({ schema: webhookListQuerySchema }) query: WebhookListQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Page<Webhook>> {
    const page = await this.webhooks.list(tenantId, query)
    sendNextLink(request, reply, page)
    return page
  }

  @Get(':id')
  @Endpoint({
    summary: 'Get a webhook with its health',
    access: 'webhooks:read',
    answers: [{ status: 200, description: 'The webhook, without its secrets.', schema: webhookSchema }],
    problems: [404],
  })
  get(@CurrentPrincipal() { tenantId }: Principal, @Param('id') id: string): Promise<Webhook> {
    return this.webhooks.get(tenantId, id)
  }

  @Patch(':id')
  @Endpoint({
    summary: 'Change a webhook',
    description:
      'What waits to be delivered goes to a new URL, too. A webhook that was switched off by itself is switched on by `active: true`. ' +
      'Both forget how deliveries have failed, and begin with the oldest that waits.',
    access: 'webhooks:write',
    answers: [{ status: 200, description: 'The webhook as it is now.', schema: webhookSchema }],
    problems: [400, 404],
  })
  change(
    @CurrentPrincipal() { tenantId }: Principal,
    @Param('id') id: string,
    @Body({ schema: changeWebhookSchema }) command: ChangeWebhookCommand,
  ): Promise<Webhook> {
    return this.changes.change(tenantId, id, command)
  }

  @Delete(':id')
  @Endpoint({
    summary: 'Delete a webhook',
    description: 'It is told nothing more, what waits for it included. Its deliveries can still be read.',
    access: 'webhooks:write',
    answers: [{ status: 204, description: 'It is gone.' }],
    problems: [404],
  })
  async delete(@CurrentPrincipal() { tenantId }: Principal, @Param('id') id: string): Promise<void> {
    await this.changes.delete(tenantId, id)
  }
}
