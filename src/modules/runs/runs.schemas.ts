import { z } from 'zod'
import { findUnstorable } from '#kernel/storable-json.js'
import { modelNameSchema, runLimitsSchema } from '#modules/agents'
import { pageQueryShape, pageSchema } from '#platform/http/page.js'
import { RUN_STATUSES } from './run-status.js'
import { isStorable } from '#kernel/storable.js'

export const MAX_TASK_LENGTH = 5000
const MAX_CONTEXT_LENGTH = 100_000
const MAX_METADATA_PAIRS = 16
const MAX_METADATA_KEY_LENGTH = 64
const MAX_METADATA_VALUE_LENGTH = 512
const MAX_COLLECTIONS = 20
const MAX_TOP_K = 50

const text = z
  .string()
  .refine(isStorable, { error: 'must not contain null characters' })
  .overwrite((value) => value.toWellFormed())
const slug = text.min(1).max(64)
const MAX_KEYWORD_LENGTH = 200

export const startRunSchema = z
  .strictObject({
    task: text.trim().min(1).max(MAX_TASK_LENGTH),
    context: text.max(MAX_CONTEXT_LENGTH).optional(),
    project: slug.optional().describe('Slug of one of your projects.'),
    model: modelNameSchema.optional(),
    knowledge: z
      .strictObject({
        collections: z.array(z.string().min(1).max(64)).min(1).max(MAX_COLLECTIONS),
        topK: z.int().min(1).max(MAX_TOP_K).optional(),
      })
      .optional(),
    outputSchema: z
      .record(z.string().max(MAX_KEYWORD_LENGTH), z.unknown())
      .check((context) => {
        const message = findUnstorable(context.value)
        if (message !== null) context.issues.push({ code: 'custom', message, input: context.value })
      })
      .optional()
      .describe('JSON Schema that `output.data` must match.'),
    requireApproval: z.boolean().optional().describe('A person must allow the run before it begins.'),
    limits: runLimitsSchema.optional(),
    cache: z.enum(['use', 'refresh', 'off']).optional(),
    metadata: z
      .record(text.min(1).max(MAX_METADATA_KEY_LENGTH), text.max(MAX_METADATA_VALUE_LENGTH))
      .refine((pairs) => Object.keys(pairs).length <= MAX_METADATA_PAIRS, {
        error: `must have at most ${MAX_METADATA_PAIRS} pairs`,
      })
      .optional(),
  })
  .meta({ id: 'StartRun' })
export type StartRunCommand = z.infer<typeof startRunSchema>

const citationSchema = z.strictObject({
  documentId: z.string().nullable().describe('Null for the context that came with the task.'),
  chunkId: z.string().nullable(),
  title: z.string(),
  start: z.int().describe('First character (UTF-16).'),
  end: z.int().describe('After the last character.'),
})

export const runOutputSchema = z
  .strictObject({ text: z.string(), data: z.unknown(), citations: z.array(citationSchema) })
  .meta({ id: 'RunOutput' })
export type RunOutput = z.infer<typeof runOutputSchema>

const timestamp = z.iso.datetime({ precision: 3 })
const usageSchema = z.strictObject({
  inputTokens: z.int(),
  cachedInputTokens: z.int().describe('Part of inputTokens.'),
  outputTokens: z.int(),
  reasoningTokens: z.int().describe('Part of outputTokens.'),
  totalTokens: z.int(),
})

/** All of a run but what can be large. */
const runSummaryShape = {
  id: z.uuid(),
  agent: z.string(),
  agentVersion: z.int(),
  project: z.string().nullable(),
  status: z.enum(RUN_STATUSES),
  task: z.string(),
  error: z.strictObject({ code: z.string(), detail: z.string() }).nullable(),
  model: z.string(),
  usage: usageSchema,
  costUsd: z.string().nullable().describe('Decimal string; null: the model has no price.'),
  cache: z.enum(['hit', 'miss', 'off']),
  attempt: z.int().describe('How often a worker has taken it up.'),
  parentRunId: z.uuid().nullable(),
  scheduleId: z.uuid().nullable(),
  metadata: z.record(z.string(), z.string()),
  createdAt: timestamp,
  startedAt: timestamp.nullable(),
  finishedAt: timestamp.nullable(),
  durationMs: z.int().nullable(),
}

export const runSummarySchema = z.strictObject(runSummaryShape).meta({ id: 'RunSummary' })
export type RunSummary = z.infer<typeof runSummarySchema>

export const runSchema = z
  .strictObject({
    ...runSummaryShape,
    output: runOutputSchema.nullable(),
    queuePosition: z
      .int()
      .optional()
      .describe("Only while it is pending: its place among the tenant's runs that wait, from 1; 1000 is that or more."),
  })
  .meta({ id: 'Run' })
export type Run = z.infer<typeof runSchema>

const filterShape = {
  project: slug.optional().describe('Slug, also of a project that is deleted.'),
  agent: slug.optional(),
  status: z.enum(RUN_STATUSES).optional(),
  from: z.iso.datetime({ offset: true }).optional().describe('Created at or after.'),
  to: z.iso.datetime({ offset: true }).optional().describe('Created before.'),
  parentRunId: z.uuid().optional(),
}

export const runCountQuerySchema = z.strictObject(filterShape)
export type RunFilter = z.infer<typeof runCountQuerySchema>
export const runListQuerySchema = z.strictObject({ ...filterShape, ...pageQueryShape })
export type RunListQuery = z.infer<typeof runListQuerySchema>
export const runPageSchema = pageSchema(runSummarySchema)
export const runCountSchema = z.strictObject({ count: z.int() }).meta({ id: 'RunCount' })
