import { z } from 'zod'
import { DEFAULT_DECISIONS } from '../approval.js'

/** A year: longer, and nobody remembers what was asked. */
const MAX_EXPIRES_AFTER_SECONDS = 31_536_000

export const approvalPolicySchema = z
  .strictObject({
    requesterMayDecide: z.boolean().describe('false: whoever started a run does not decide its approvals.'),
    expiresAfterSeconds: z.int().min(1).max(MAX_EXPIRES_AFTER_SECONDS),
    defaultDecision: z.enum(DEFAULT_DECISIONS).describe('What an approval comes to that nobody decides in time.'),
  })
  .meta({ id: 'ApprovalPolicy' })
export type ApprovalPolicy = z.infer<typeof approvalPolicySchema>
