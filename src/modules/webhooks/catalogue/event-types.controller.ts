import { Controller, Get } from '@nestjs/common'
import { ApiTags } from '@nestjs/swagger'
import { Endpoint } from '#platform/http/endpoint.js'
import { EventCatalogue } from './event-catalogue.service.js'
import { type WebhookEventList, webhookEventListSchema } from './event-types.schemas.js'

@ApiTags('webhooks')
@Controller('v1/webhook-events')
export class EventTypesController {
  constructor(private readonly catalogue: EventCatalogue) {}

  @Get()
  @Endpoint({
    summary: 'List what webhooks are told',
    description: 'Each type of event with the JSON Schema of its body, and an example.',
    access: 'webhooks:read',
    answers: [{ status: 200, description: 'All types.', schema: webhookEventListSchema }],
  })
  list(): WebhookEventList {
    return this.catalogue.events
  }
}
