import { z } from 'zod'
import { timezoneSchema } from '#platform/time/time-zone.schemas.js'

export const costPolicySchema = z
  .strictObject({
    timezone: timezoneSchema.describe(
      'IANA name, such as Europe/Berlin: where days, weeks and months of budgets begin.',
    ),
    unpricedModels: z
      .enum(['allow', 'block'])
      .describe('Whether models may run that have no price. `block`: such a run is 403 `model_unpriced`.'),
  })
  .meta({ id: 'CostPolicy' })
export type CostPolicy = z.infer<typeof costPolicySchema>
