import { z } from 'zod'

/** Of runs, wherever one is a figure of these routes. */
const statusSchema = z.enum(['pending', 'running', 'waiting_approval', 'completed', 'failed', 'cancelled'])

const runsSchema = z.strictObject({
  today: z.int().describe('Created today, on the clock of your time zone.'),
  queued: z.int().describe('That wait for a worker now, whenever they were created.'),
  running: z.int().describe('Under way now, whenever they were created.'),
  last24h: z.int().describe('Created in the last 24 hours.'),
  avgDurationMs: z.int().nullable().describe('Of those of the last 24 hours that have ended; null: none has.'),
  p95DurationMs: z.int().nullable().describe('Of the same, interpolated between the two runs around it.'),
  byStatus24h: z
    .array(
      z.strictObject({
        status: statusSchema,
        count: z.int(),
        percentage: z.number().describe('Of 100, with two decimals.'),
      }),
    )
    .describe('Of the last 24 hours, the most frequent first; a status that no run has is left out.'),
})

export const dashboardSchema = z
  .strictObject({
    projects: z.strictObject({ active: z.int().describe('Not archived.'), total: z.int() }),
    runs: runsSchema,
    agents: z.strictObject({
      healthy: z
        .int()
        .describe(
          'Of whose runs of the last 24 hours that have ended not more than half failed; also those with none.',
        ),
      total: z.int().describe('Those that came with the server, and your own.'),
    }),
    costs: z.strictObject({
      todayUsd: z
        .string()
        .describe('Decimal string: all that was booked today and has a price, on the clock of your time zone.'),
      todayUnpriced: z.int().describe('Calls of models that have no price: not part of `todayUsd`.'),
      monthUsd: z.string().describe('The same of this month.'),
      monthUnpriced: z.int().describe('Calls of models that have no price: not part of `monthUsd`.'),
    }),
    cacheHitRate: z
      .number()
      .nullable()
      .describe(
        '0 to 1: of the ended runs of the last 24 hours that asked for a kept answer, those that had one; null: none asked.',
      ),
  })
  .meta({ id: 'Dashboard' })
export type Dashboard = z.infer<typeof dashboardSchema>
export type RunStatusShare = Dashboard['runs']['byStatus24h'][number]
