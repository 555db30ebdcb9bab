import { z } from 'zod'
import { AppError } from '#kernel/app-error.js'
import { emailSchema, nameSchema } from '../auth.schemas.js'

const USAGE = 'reset-link <email>, or first-owner <email> ["team name"]'

const operatorCommandSchema = z.union([
  z.tuple([z.literal('reset-link'), emailSchema]),
  z.tuple([z.literal('first-owner'), emailSchema, nameSchema.optional()]),
])
export type OperatorCommand = z.infer<typeof operatorCommandSchema>

/** What the operator typed behind the program's name. @throws AppError `validation_failed` */
export function parseOperatorCommand(args: readonly string[]): OperatorCommand {
  const parsed = operatorCommandSchema.safeParse(args)
  if (parsed.success) return parsed.data
  throw new AppError('validation_failed', 'invalid', { detail: `cannot make sense of the arguments: ${USAGE}` })
}
