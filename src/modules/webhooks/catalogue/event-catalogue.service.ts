import { Injectable } from '@nestjs/common'
import { z } from 'zod'
import { decodeCursor, type Page, toPage } from '#platform/http/page.js'
import { bodySchemaOf, EVENT_TYPES, type EventType } from './event-types.js'
import type { WebhookEvent, WebhookEventListQuery } from './event-types.schemas.js'

const EXAMPLE_TIME = '2026-11-21T09:30:00.000Z'

/** Shows what there is to tell. */
@Injectable()
export class EventCatalogue {
  /** The same for everybody for as long as the process lives. */
  private readonly events = EVENT_TYPES.map(describe)

  /** In the order of the catalogue. @throws AppError `validation_failed` for a cursor that is none of this list */
  list({ limit, cursor }: WebhookEventListQuery): Page<WebhookEvent> {
    const first = cursor === undefined ? 0 : this.placeOf(decodeCursor(cursor, (type) => this.placeOf(type) >= 0)) + 1
    return toPage(this.events.slice(first, first + limit + 1), limit, ({ type }) => type)
  }

  private placeOf(type: string): number {
    return this.events.findIndex((event) => event.type === type)
  }
}

function describe(event: EventType): WebhookEvent {
  const { type, description, example } = event
  const schema = z.toJSONSchema(bodySchemaOf(event), {
    // Fields may be added: a receiver that refuses what it does not know would break by that.
    override: ({ jsonSchema }) => delete jsonSchema.additionalProperties,
  })
  return { type, description, schema: { ...schema }, example: { type, timestamp: EXAMPLE_TIME, data: example } }
}
