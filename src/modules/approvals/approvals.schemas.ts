import { z } from 'zod'
import { pageQueryShape, pageSchema } from '#platform/http/page.js'
import { APPROVAL_REASONS, APPROVAL_STATUSES, DEFAULT_DECISIONS } from './approval.js'

const MAX_COMMENT_LENGTH = 2000
const SHA256_HEX = /^[0-9a-f]{64}$/

const timestamp = z.iso.datetime({ precision: 3 })

/** All of an approval but what can be large. */
const approvalSummaryShape = {
  id: z.uuid(),
  runId: z.uuid(),
  agent: z.string(),
  reason: z
    .enum(APPROVAL_REASONS)
    .describe(
      'Who asks: the run, its agent, a tool; `outcome_unknown`: a crash cut a tool call off, and it may or may not have happened.',
    ),
  tool: z.string().nullable(),
  argumentsHash: z
    .string()
    .regex(SHA256_HEX)
    .describe('SHA-256, in hex, of the canonical JSON (RFC 8785) of the arguments. Nothing else runs.'),
  status: z.enum(APPROVAL_STATUSES),
  requestedBy: z.uuid().nullable().describe('The user whose run asks.'),
  requesterMayDecide: z.boolean(),
  defaultDecision: z.enum(DEFAULT_DECISIONS).describe('What it comes to when nobody decides in time.'),
  createdAt: timestamp,
  expiresAt: timestamp,
  decidedBy: z
    .strictObject({ userId: z.uuid(), apiKeyId: z.uuid().nullable() })
    .nullable()
    .describe('Null: nobody decided.'),
  decidedAt: timestamp
    .nullable()
    .describe('Of an expired one: when its default took effect; null: its run had ended before.'),
  comment: z.string().nullable(),
}

export const approvalSummarySchema = z.strictObject(approvalSummaryShape).meta({ id: 'ApprovalSummary' })
export type ApprovalSummary = z.infer<typeof approvalSummarySchema>

export const approvalSchema = z
  .strictObject({ ...approvalSummaryShape, arguments: z.unknown().describe('What exactly is asked for.') })
  .meta({ id: 'Approval' })
export type Approval = z.infer<typeof approvalSchema>

const filterShape = { status: z.enum(APPROVAL_STATUSES).optional(), runId: z.uuid().optional() }
export type ApprovalFilter = Omit<ApprovalListQuery, 'limit' | 'cursor'>
export const approvalListQuerySchema = z.strictObject({ ...filterShape, ...pageQueryShape })
export type ApprovalListQuery = z.infer<typeof approvalListQuerySchema>
export const approvalPageSchema = pageSchema(approvalSummarySchema).meta({ id: 'ApprovalPage' })

export const decideApprovalSchema = z
  .strictObject({
    comment: z
      .string()
      .max(MAX_COMMENT_LENGTH)
      .refine((text) => !text.includes('\0'), { error: 'must not contain null characters' })
      .overwrite((text) => text.toWellFormed())
      .optional()
      .describe('Why; kept with the approval.'),
  })
  .meta({ id: 'DecideApproval' })
  // A decision needs no body.
  .optional()
export type DecideApprovalCommand = z.infer<typeof decideApprovalSchema>
