import { z } from 'zod'
import { momentSchema } from '#platform/time/moment.schemas.js'

export const backfillSchema = z
  .strictObject({
    from: momentSchema.describe('Due times at or after.'),
    to: momentSchema.describe('Due times before; not in the future.'),
  })
  .meta({ id: 'BackfillSchedule' })
export type BackfillCommand = z.infer<typeof backfillSchema>

export const backfillAnswerSchema = z
  .strictObject({
    queued: z.int().describe('Due times that are made up for, oldest first.'),
    alreadyDone: z.int().describe('Those that have a run, or will have one, and are left alone.'),
  })
  .meta({ id: 'ScheduleBackfill' })
export type Backfill = z.infer<typeof backfillAnswerSchema>
