import { z } from 'zod'
import { isStorable } from '#kernel/storable.js'
import { momentSchema } from '#platform/time/moment.schemas.js'

const MAX_NAME_LENGTH = 200

const name = z
  .string()
  .min(1)
  .max(MAX_NAME_LENGTH)
  .refine(isStorable, { error: 'must not contain null characters' })
  .overwrite((value) => value.toWellFormed())

/** What all reports of costs can be narrowed by. */
export const costFilterShape = {
  from: momentSchema.optional().describe('Booked at or after.'),
  to: momentSchema.optional().describe('Booked before.'),
  agent: name.optional(),
  model: name.optional().describe('Full name, `provider/model`.'),
  project: name.optional().describe('Slug, also of a project that is deleted.'),
  user: z.uuid().optional().describe('Id of who had it run.'),
  key: z.uuid().optional().describe('Id of the API key that it was run with.'),
}
export type CostFilter = z.infer<z.ZodObject<typeof costFilterShape>>
