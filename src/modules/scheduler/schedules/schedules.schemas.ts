import { z } from 'zod'
import { isStorable } from '#kernel/storable.js'
import { startRunSchema } from '#modules/runs'
import { pageQueryShape, pageSchema } from '#platform/http/page.js'
import { momentSchema } from '#platform/time/moment.schemas.js'
import { timezoneSchema } from '#platform/time/time-zone.schemas.js'
import { MAX_CRON_LENGTH } from '../timing/cron-syntax.js'
import { ENDED_REASONS, OVERLAPS, PAUSED_REASONS } from './schedule.js'

const MAX_NAME_LENGTH = 200
const MAX_SLUG_LENGTH = 64
/** A week: what is made up for later than that is a backfill. */
const MAX_CATCH_UP_SECONDS = 604_800
const MAX_JITTER_SECONDS = 3600
const MAX_EXECUTIONS = 1_000_000_000
const MAX_FAILURES = 1000
const KINDS = ['cron', 'everySeconds', 'runAt'] as const
type Kinds = { readonly [kind in (typeof KINDS)[number]]?: unknown }

const timestamp = z.iso.datetime({ precision: 3 })
const text = z
  .string()
  .refine(isStorable, { error: 'must not contain null characters' })
  .overwrite((value) => value.toWellFormed())
const slug = text.min(1).max(MAX_SLUG_LENGTH)

/** The other fields of a run: what POST …/run takes. */
const inputSchema = startRunSchema.omit({ task: true, project: true }).meta({ id: 'ScheduleInput' })

export const cronSchema = z
  .string()
  .max(MAX_CRON_LENGTH)
  .describe('Five fields, or six with the seconds first; names, `L`, `W`, `#`, `@daily` and friends.')

const fields = {
  name: text.trim().min(1).max(MAX_NAME_LENGTH),
  agent: slug.describe('Slug of an agent.'),
  task: startRunSchema.shape.task,
  project: slug.nullish().describe('Slug of one of your projects.'),
  cron: cronSchema.nullish(),
  everySeconds: z.int().min(1).nullish().describe('Counted from when it was said.'),
  runAt: momentSchema.nullish().describe('Once, in the future.'),
  timezone: timezoneSchema,
  overlap: z.enum(OVERLAPS).describe('What becomes of a due time while an execution before it still runs.'),
  catchUpSeconds: z
    .int()
    .min(0)
    .max(MAX_CATCH_UP_SECONDS)
    .describe('How late a due time is still made up for after an outage; those before are `missed`.'),
  jitterSeconds: z
    .int()
    .min(0)
    .max(MAX_JITTER_SECONDS)
    .describe('Up to so much later than the pattern says, always the same for one schedule.'),
  endsAt: momentSchema.nullish().describe('No due time after this one.'),
  maxExecutions: z.int().min(1).max(MAX_EXECUTIONS).nullish().describe('No more due times than these.'),
  pauseAfterFailures: z.int().min(1).max(MAX_FAILURES).nullish().describe('Failures in a row that pause it.'),
  active: z.boolean().describe('false: nothing is due until it is resumed.'),
  input: inputSchema.nullish().describe('The other fields of the run.'),
}

export const createScheduleSchema = z
  .strictObject({
    ...fields,
    timezone: fields.timezone.default('UTC'),
    overlap: fields.overlap.default('skip'),
    catchUpSeconds: fields.catchUpSeconds.default(0),
    jitterSeconds: fields.jitterSeconds.default(0),
    active: fields.active.default(true),
  })
  .check(...KINDS.map((kind) => onlyOf(kind, { isDemanded: true })))
  .meta({ id: 'CreateSchedule' })
export type CreateScheduleCommand = z.infer<typeof createScheduleSchema>

export const changeScheduleSchema = z
  .strictObject({
    ...fields,
    name: fields.name.optional(),
    agent: fields.agent.optional(),
    task: fields.task.optional(),
    timezone: fields.timezone.optional(),
    overlap: fields.overlap.optional(),
    catchUpSeconds: fields.catchUpSeconds.optional(),
    jitterSeconds: fields.jitterSeconds.optional(),
    active: fields.active.optional().describe('As POST …/resume and POST …/pause.'),
  })
  .check(...KINDS.map((kind) => onlyOf(kind, { isDemanded: false })))
  .meta({ id: 'ChangeSchedule' })
export type ChangeScheduleCommand = z.infer<typeof changeScheduleSchema>

/** One of the three says when it is due. Refused at each that is too many, or at all of them where the one is missing. */
function onlyOf(kind: keyof Kinds, { isDemanded }: { isDemanded: boolean }): z.core.$ZodCheck<Kinds> {
  return z.refine<Kinds>(
    (command) => {
      const given = KINDS.filter((name) => isGiven(command, name))
      if (given.length === 0) return !isDemanded
      return given.length === 1 || !given.includes(kind)
    },
    {
      path: [kind],
      error: `Give ${isDemanded ? 'one' : 'only one'} of cron, everySeconds and runAt.`,
      // Also where another field is wrong: both are told at once.
      when: () => true,
    },
  )
}

function isGiven(command: unknown, kind: keyof Kinds): boolean {
  if (typeof command !== 'object' || command === null) return false
  const value = (command as Kinds)[kind]
  return value !== undefined && value !== null
}

/** All of a schedule but what can be large. */
const summaryShape = {
  id: z.uuid(),
  name: z.string(),
  agent: z.string(),
  task: z.string(),
  project: z.string().nullable(),
  cron: z.string().nullable(),
  everySeconds: z.int().nullable(),
  runAt: timestamp.nullable(),
  timezone: z.string(),
  overlap: z.enum(OVERLAPS),
  catchUpSeconds: z.int(),
  jitterSeconds: z.int(),
  endsAt: timestamp.nullable(),
  maxExecutions: z.int().nullable(),
  pauseAfterFailures: z.int().nullable(),
  active: z.boolean(),
  pausedReason: z
    .enum(PAUSED_REASONS)
    .nullable()
    .describe(
      'Why it was paused by itself: `failures`: so many in a row; `not_permitted`: in whose name it runs may not start runs.',
    ),
  endedReason: z.enum(ENDED_REASONS).nullable().describe('Why no due time is to come.'),
  nextRunAt: timestamp.nullable().describe('With the jitter; null: paused or ended.'),
  lastFiredAt: timestamp.nullable(),
  executions: z.int().describe('Due times that have come to an execution.'),
  consecutiveFailures: z.int(),
  runsAs: z
    .strictObject({ userId: z.uuid(), apiKeyId: z.uuid().nullable() })
    .describe('In whose name it runs: who made it, or last changed or resumed it.'),
  createdAt: timestamp,
  updatedAt: timestamp,
}

export const scheduleSummarySchema = z.strictObject(summaryShape).meta({ id: 'ScheduleSummary' })
export type ScheduleSummary = z.infer<typeof scheduleSummarySchema>

export const scheduleSchema = z.strictObject({ ...summaryShape, input: inputSchema }).meta({ id: 'Schedule' })
export type Schedule = z.infer<typeof scheduleSchema>

export const scheduleListQuerySchema = z.strictObject({
  project: slug.optional(),
  agent: slug.optional(),
  active: z.enum(['true', 'false']).optional(),
  ...pageQueryShape,
})
export type ScheduleListQuery = z.infer<typeof scheduleListQuerySchema>
export const schedulePageSchema = pageSchema(scheduleSummarySchema).meta({ id: 'SchedulePage' })

/** Where a schedule is shown. */
export function addressOf({ id }: { readonly id: string }): string {
  return `/v1/schedules/${id}`
}
