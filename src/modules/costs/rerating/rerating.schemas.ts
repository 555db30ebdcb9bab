import { z } from 'zod'
import { modelNameSchema } from '#modules/agents'
import { momentSchema } from '#platform/time/moment.schemas.js'

const MAX_MODELS = 100

export const rerateSchema = z
  .strictObject({
    from: momentSchema.optional().describe('Booked at or after.'),
    to: momentSchema.optional().describe('Booked before.'),
    models: z.array(modelNameSchema).min(1).max(MAX_MODELS).optional().describe('Absent: all.'),
    dryRun: z.boolean().default(true).describe('true: nothing is changed; the answer is what would be.'),
  })
  .meta({ id: 'RerateCosts' })
export type RerateCommand = z.output<typeof rerateSchema>

const count = z.int()

export const reratingSchema = z
  .strictObject({
    dryRun: z.boolean(),
    entries: count.describe(
      'Entries without a price that were looked at; those that nobody counted tokens of are not.',
    ),
    rerated: count.describe('Of these: have a price now.'),
    stillUnpriced: count.describe('Of these: have none, since nobody says what the model cost at that time.'),
    totalUsd: z.string().describe('Decimal string: what the re-rated ones cost together.'),
    runs: count.describe('Runs that the re-rated ones belong to.'),
    byModel: z.array(
      z.strictObject({
        model: z.string(),
        entries: count,
        rerated: count,
        costUsd: z.string().describe('Decimal string.'),
      }),
    ),
    nextFrom: z.iso
      .datetime({ precision: 3 })
      .nullable()
      .describe('There is more than one request looks at: ask again with this as `from`. Null: that was all.'),
  })
  .meta({ id: 'Rerating' })
export type Rerating = z.infer<typeof reratingSchema>
