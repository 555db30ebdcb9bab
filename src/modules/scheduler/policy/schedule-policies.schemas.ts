import { z } from 'zod'

/** A year. */
const MAX_INTERVAL_SECONDS = 31_536_000

export const schedulePolicySchema = z
  .strictObject({
    minIntervalSeconds: z
      .int()
      .min(1)
      .max(MAX_INTERVAL_SECONDS)
      .describe('Shortest time between two due times of a schedule; never shorter than the server allows.'),
  })
  .meta({ id: 'SchedulePolicy' })
export type SchedulePolicy = z.infer<typeof schedulePolicySchema>
