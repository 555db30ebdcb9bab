import { Injectable } from '@nestjs/common'
import { z } from 'zod'
import { bodySchemaOf, EVENT_TYPES, type EventType } from './event-types.js'
import type { WebhookEventList } from './event-types.schemas.js'

const EXAMPLE_TIME = '2026-11-21T09:30:00.000Z'

/** Shows what there is to tell. */
@Injectable()
export class EventCatalogue {
  /** The same for everybody for as long as the process lives. */
  readonly events: WebhookEventList = { data: EVENT_TYPES.map(describe) }
}

function describe(event: EventType): WebhookEventList['data'][number] {
  const { type, description, example } = event
  const schema = z.toJSONSchema(bodySchemaOf(event), {
    // Fields may be added: a receiver that refuses what it does not know would break by that.
    override: ({ jsonSchema }) => delete jsonSchema.additionalProperties,
  })
  return { type, description, schema: { ...schema }, example: { type, timestamp: EXAMPLE_TIME, data: example } }
}
