import { z } from 'zod'
import { momentSchema } from '#platform/time/moment.schemas.js'
import { timezoneSchema } from '#platform/time/time-zone.schemas.js'
import { cronSchema } from './schedules.schemas.js'

const MAX_COUNT = 100
const DEFAULT_COUNT = 10

export const previewScheduleSchema = z
  .strictObject({
    cron: cronSchema,
    timezone: timezoneSchema.default('UTC'),
    from: momentSchema.optional().describe('Due times after it. Absent: now.'),
    count: z.int().min(1).max(MAX_COUNT).default(DEFAULT_COUNT),
  })
  .meta({ id: 'PreviewSchedule' })
export type PreviewCommand = z.infer<typeof previewScheduleSchema>

export const schedulePreviewSchema = z
  .strictObject({
    data: z.array(z.iso.datetime({ precision: 3 })).describe('Without a jitter; fewer where there are no more.'),
  })
  .meta({ id: 'SchedulePreview' })
export type SchedulePreview = z.infer<typeof schedulePreviewSchema>
