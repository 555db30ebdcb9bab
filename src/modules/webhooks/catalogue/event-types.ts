import { z } from 'zod'
import { PUBLIC_EVENTS } from './catalogue.js'
import { nearestName } from './nearest-name.js'
import type { PublicEvent } from './public-event.js'

const MAX_QUOTED_LENGTH = 100

/** What a receiver needs to know of a type. */
export type EventType = Pick<PublicEvent, 'type' | 'description' | 'schema' | 'example'>

export const TEST_EVENT = {
  type: 'webhook.test',
  description: 'Somebody has asked for a test. Only the endpoint under test is told, whatever it listens to.',
  schema: z.strictObject({ webhookId: z.uuid() }),
  example: { webhookId: '0199f1d3-7b2e-7f48-93aa-c0d1e2f3a4b5' },
} satisfies EventType

/** All that can be in the `type` of a body. */
export const EVENT_TYPES: readonly EventType[] = [...PUBLIC_EVENTS, TEST_EVENT]

const types = EVENT_TYPES.map(({ type }) => type)
const nouns = new Set(types.map((type) => type.split('.')[0]))
/** All that an endpoint can listen to: a type, all of one noun, or everything. */
export const EVENT_FILTERS: readonly string[] = ['*', ...[...nouns].map((noun) => `${noun}.*`), ...types]

/** The whole body of an event, as it is sent. */
export function bodySchemaOf({ type, schema }: EventType) {
  return z.strictObject({
    type: z.literal(type),
    timestamp: z.iso.datetime({ precision: 3 }).meta({ description: 'when it happened' }),
    data: schema,
  })
}

/** What is wrong with a name that is none of these. */
export function wordUnknown(given: unknown, names: readonly string[]): string {
  if (typeof given !== 'string') return 'Must be the name of an event type.'
  if (given.length > MAX_QUOTED_LENGTH) return 'Unknown event type.'
  const meant = nearestName(given, names)
  const hint = meant === null ? 'GET /v1/webhook-events tells them all.' : `Did you mean "${meant}"?`
  return `Unknown event type ${JSON.stringify(given)}. ${hint}`
}
