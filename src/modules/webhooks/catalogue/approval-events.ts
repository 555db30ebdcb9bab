import { z } from 'zod'
import { ApprovalDecided, ApprovalRequested } from '#modules/approvals'
import { type PublicEvent, publicEvent } from './public-event.js'

const requestedSchema = z.strictObject({
  approvalId: z.uuid(),
  runId: z.uuid(),
  agent: z.string(),
  reason: z.enum(['run', 'agent', 'tool', 'outcome_unknown']),
  tool: z.string().nullable(),
  argumentsHash: z.string().meta({ description: 'SHA-256 of what is asked for, hex' }),
  expiresAt: z.iso.datetime(),
})
const decisionShape = {
  approvalId: z.uuid(),
  runId: z.uuid(),
  argumentsHash: z.string(),
  isGranted: z.boolean().meta({ description: 'whether what was asked for may be done' }),
}
const decidedSchema = z.strictObject({
  ...decisionShape,
  status: z.enum(['approved', 'rejected']),
  decidedBy: z.strictObject({ userId: z.uuid(), apiKeyId: z.uuid().nullable() }).nullable(),
  comment: z.string().nullable(),
})
const expiredSchema = z.strictObject({ ...decisionShape, status: z.literal('expired') })

const idsExample = {
  approvalId: '0199f1d6-8a77-7c01-8e2b-5d0c9a4b3f21',
  runId: '0199f1d6-6c1e-7d3a-9b55-0f6f2a1c7e10',
  argumentsHash: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
}

export const APPROVAL_EVENTS: readonly PublicEvent[] = [
  publicEvent({
    type: 'approval.requested',
    description: 'A run waits for a person; what is asked for is at GET /v1/approvals/{id}.',
    schema: requestedSchema,
    example: {
      ...idsExample,
      agent: 'devops',
      reason: 'tool',
      tool: 'http_request',
      expiresAt: '2026-11-22T09:30:00.000Z',
    },
    eventClass: ApprovalRequested,
    select: ({ facts }: ApprovalRequested) => {
      const { approvalId, runId, agent, reason, tool, argumentsHash, expiresAt } = facts
      return { approvalId, runId, agent, reason, tool, argumentsHash, expiresAt: expiresAt.toISOString() }
    },
  }),
  publicEvent({
    type: 'approval.decided',
    description: 'A person has approved or rejected.',
    schema: decidedSchema,
    example: {
      ...idsExample,
      isGranted: true,
      status: 'approved',
      decidedBy: { userId: '0199f1d0-02b4-7e55-a1c9-9d3e6b8f7a10', apiKeyId: null },
      comment: 'Go ahead.',
    },
    eventClass: ApprovalDecided,
    select: ({ approvalId, runId, argumentsHash, isGranted, status, decidedBy, comment }: ApprovalDecided) =>
      status === 'expired' ? null : { approvalId, runId, argumentsHash, isGranted, status, decidedBy, comment },
  }),
  publicEvent({
    type: 'approval.expired',
    description: 'Nobody decided in time, and the default decision stands.',
    schema: expiredSchema,
    example: { ...idsExample, isGranted: false, status: 'expired' },
    eventClass: ApprovalDecided,
    select: ({ approvalId, runId, argumentsHash, isGranted, status }: ApprovalDecided) =>
      status === 'expired' ? { approvalId, runId, argumentsHash, isGranted, status } : null,
  }),
]
