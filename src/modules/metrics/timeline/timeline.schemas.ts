import { z } from 'zod'
import { momentSchema } from '#platform/time/moment.schemas.js'
import { BUCKETS } from '../time-range.js'

export const timelineQuerySchema = z.strictObject({
  from: momentSchema.optional().describe('24 hours or 30 days before `to`, where it is left out.'),
  to: momentSchema.optional().describe('Now, where it is left out.'),
  bucket: z.enum(BUCKETS).default('hour').describe('Width of a point, of UTC.'),
})
export type TimelineQuery = z.infer<typeof timelineQuerySchema>

const pointSchema = z.strictObject({
  start: z.iso.datetime({ precision: 3 }),
  runs: z.int().describe('Created in this time, as are the others.'),
  completed: z.int(),
  failed: z.int(),
  cancelled: z.int(),
  avgDurationMs: z.int().nullable().describe('Of those that have ended; null: none has.'),
  costUsd: z.string().describe('Decimal string: of calls booked in this time, those that have a price.'),
  unpriced: z.int().describe('Of those calls, the ones of models that have no price: not part of `costUsd`.'),
  tokens: z.int().describe('Input and output of calls booked in this time.'),
})

export const timelineSchema = z
  .strictObject({ bucket: z.enum(BUCKETS), data: z.array(pointSchema).describe('The oldest first, none left out.') })
  .meta({ id: 'Timeline' })
export type Timeline = z.infer<typeof timelineSchema>
export type TimelinePoint = Timeline['data'][number]
