import { z } from 'zod'

const checkSchema = z.looseObject({ status: z.enum(['up', 'down']) })

export const livenessSchema = z.strictObject({ status: z.literal('ok') }).meta({ id: 'Liveness' })
export const readinessSchema = z.strictObject({ status: z.literal('ready') }).meta({ id: 'Readiness' })
export const healthSchema = z
  .strictObject({
    status: z.enum(['ok', 'degraded']),
    version: z.string(),
    uptimeSeconds: z.int(),
    checks: z.record(z.string(), checkSchema),
  })
  .meta({ id: 'Health' })
export type Health = z.infer<typeof healthSchema>
