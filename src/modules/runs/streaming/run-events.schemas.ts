import { z } from 'zod'
import { invalidField } from '#kernel/app-error.js'
import { pageQueryShape, pageSchema } from '#platform/http/page.js'
import { RUN_EVENT_TYPES } from './run-event.js'

/** Up to 2^53 - 1: beyond it numbers are no longer exact. */
const sequence = z.int().min(0)

const lastEventIdSchema = z
  .string()
  .regex(/^\d{0,16}$/)
  .transform(Number)
  .pipe(sequence)

/**
 * Number of the last event that a client has; 0: none. An empty header is none, too.
 * @throws AppError `validation_failed`
 */
export function parseLastEventId(header: string | undefined): number {
  const parsed = lastEventIdSchema.safeParse(header ?? '')
  if (!parsed.success) throw invalidField('/headers/last-event-id', 'Must be the id of an event of this run.')
  return parsed.data
}

export const runLogsQuerySchema = z.strictObject({
  ...pageQueryShape,
  after: z.coerce
    .number()
    .pipe(sequence)
    .optional()
    .describe('Entries after this `sequence`: to poll on, send the last one that you have. `cursor` goes before it.'),
})
export type RunLogsQuery = z.infer<typeof runLogsQuerySchema>

export const runLogEntrySchema = z
  .strictObject({
    sequence: z
      .int()
      .describe('Number of the event, as `id` in the stream; of several pieces of text that of the last.'),
    type: z.enum(RUN_EVENT_TYPES),
    data: z.record(z.string(), z.unknown()).describe('As in the stream; without the run at the end.'),
    createdAt: z.iso.datetime({ precision: 3 }),
  })
  .meta({ id: 'RunLogEntry' })
export type RunLogEntry = z.infer<typeof runLogEntrySchema>
export const runLogPageSchema = pageSchema(runLogEntrySchema)
