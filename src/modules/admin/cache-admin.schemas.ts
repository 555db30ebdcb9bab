import { z } from 'zod'

const scope = z
  .enum(['all', 'responses', 'permissions', 'answers'])
  .describe(
    '`responses`: cached answers; `permissions`: who may do what; `answers`: kept answers of models; `all`: all three. Of your own tenant only.',
  )

export const clearCacheSchema = z.strictObject({ scope }).meta({ id: 'ClearCache' })
export type ClearCacheCommand = z.infer<typeof clearCacheSchema>
export type CacheScope = ClearCacheCommand['scope']

export const clearedCacheSchema = z.strictObject({ scope, clearedAt: z.iso.datetime() }).meta({ id: 'ClearedCache' })
export type ClearedCache = z.infer<typeof clearedCacheSchema>
