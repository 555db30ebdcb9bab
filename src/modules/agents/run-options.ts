import { z } from 'zod'

const MAX_TOKENS = 1_000_000
const MAX_STEPS = 1000
const MAX_TIMEOUT_SECONDS = 86_400
const MAX_MODEL_NAME_LENGTH = 200
/** 12 digits, a point, 12 digits. */
const MAX_USD_LENGTH = 25

/** A model's full name. Whether it is served is for the model registry to say. */
export const modelNameSchema = z
  .string()
  .max(MAX_MODEL_NAME_LENGTH)
  .refine((value) => !value.includes('\0'), { error: 'must not contain null characters' })
  .overwrite((value) => value.toWellFormed())
  .regex(/^[^/\s]+\/\S+$/, { error: 'must look like provider/model' })

const usd = z
  .string()
  .max(MAX_USD_LENGTH)
  .regex(/^\d{1,12}(\.\d{1,12})?$/, { error: 'must be a decimal string such as "0.50"' })

/** How far a run may go: said by whoever starts it, and by an agent for all of its runs. */
export const runLimitsSchema = z.strictObject({
  maxCostUsd: usd.optional(),
  maxTokens: z.int().min(1).max(MAX_TOKENS).optional().describe('Most output tokens.'),
  maxSteps: z.int().min(1).max(MAX_STEPS).optional(),
  timeoutSeconds: z.int().min(1).max(MAX_TIMEOUT_SECONDS).optional(),
})
