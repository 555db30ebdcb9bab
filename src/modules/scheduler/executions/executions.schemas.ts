import { z } from 'zod'
import { pageQueryShape, pageSchema } from '#platform/http/page.js'
import { EXECUTION_STATUSES, EXECUTION_TRIGGERS } from './execution.js'

const timestamp = z.iso.datetime({ precision: 3 })

export const executionSchema = z
  .strictObject({
    id: z.uuid(),
    scheduleId: z.uuid(),
    trigger: z.enum(EXECUTION_TRIGGERS).describe('`manual`: POST …/trigger; `backfill`: POST …/backfill.'),
    nominalAt: timestamp.describe('The time that the pattern names.'),
    dueAt: timestamp.describe('The same with the jitter: when it was to be.'),
    firedAt: timestamp.nullable().describe('When its run was made, or it was decided that there would be none.'),
    latenessMs: z.int().nullable().describe('From `dueAt` to `firedAt`.'),
    status: z.enum(EXECUTION_STATUSES),
    reason: z
      .string()
      .nullable()
      .describe('Why it stands so: see docs/SCHEDULES.md; of a failed one the code of the error.'),
    runId: z.uuid().nullable(),
    finishedAt: timestamp.nullable(),
  })
  .meta({ id: 'ScheduleExecution' })
export type Execution = z.infer<typeof executionSchema>

/** Where an execution is shown. */
export function addressOfExecution({ scheduleId, id }: Pick<Execution, 'scheduleId' | 'id'>): string {
  return `/v1/schedules/${scheduleId}/executions/${id}`
}

const filterShape = {
  status: z.enum(EXECUTION_STATUSES).optional(),
  from: z.iso.datetime({ offset: true }).optional().describe('Due at or after.'),
  to: z.iso.datetime({ offset: true }).optional().describe('Due before.'),
}
export type ExecutionFilter = z.infer<z.ZodObject<typeof filterShape>>
export const executionListQuerySchema = z.strictObject({ ...filterShape, ...pageQueryShape })
export type ExecutionListQuery = z.infer<typeof executionListQuerySchema>
export const executionPageSchema = pageSchema(executionSchema).meta({ id: 'ScheduleExecutionPage' })
