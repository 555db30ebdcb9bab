import { z } from 'zod'
import { isStorable } from '#kernel/storable.js'
import { pageQueryShape, pageSchema } from '#platform/http/page.js'
import { PROJECT_STATUSES } from './project.js'
import { isReservedSlug, projectSlugSchema } from './project-slug.js'

const MAX_NAME_LENGTH = 200
const MAX_DESCRIPTION_LENGTH = 2000

const timestamp = z.iso.datetime({ precision: 3 })
const text = z
  .string()
  .refine(isStorable, { error: 'must not contain null characters' })
  .overwrite((value) => value.toWellFormed())
const name = text.trim().min(1).max(MAX_NAME_LENGTH)
const description = text.trim().max(MAX_DESCRIPTION_LENGTH)

export const createProjectSchema = z
  .strictObject({
    name,
    slug: projectSlugSchema
      .refine((slug) => !isReservedSlug(slug), { error: 'is reserved: choose another' })
      .optional()
      .describe('Its name in URLs, for good. Absent: made from the name.'),
    description: description.nullish(),
  })
  .meta({ id: 'CreateProject' })
export type CreateProjectCommand = z.infer<typeof createProjectSchema>

export const changeProjectSchema = z
  .strictObject({
    name: name.optional(),
    description: description.nullish().describe('null: none.'),
    archived: z.boolean().optional().describe('true: it takes no new runs or schedules; false: it does again.'),
  })
  .meta({ id: 'ChangeProject' })
export type ChangeProjectCommand = z.infer<typeof changeProjectSchema>

/** All of a project but what can be large. */
const summaryShape = {
  id: z.uuid(),
  slug: z.string(),
  name: z.string(),
  status: z.enum(PROJECT_STATUSES),
  createdAt: timestamp,
  updatedAt: timestamp,
  archivedAt: timestamp.nullable(),
}

export const projectSummarySchema = z.strictObject(summaryShape).meta({ id: 'ProjectSummary' })
export type ProjectSummary = z.infer<typeof projectSummarySchema>

export const projectSchema = z
  .strictObject({ ...summaryShape, description: z.string().nullable() })
  .meta({ id: 'Project' })
export type Project = z.infer<typeof projectSchema>

const filterShape = { status: z.enum(PROJECT_STATUSES).optional() }
export const projectCountQuerySchema = z.strictObject(filterShape)
export type ProjectFilter = z.infer<typeof projectCountQuerySchema>
export const projectListQuerySchema = z.strictObject({ ...filterShape, ...pageQueryShape })
export type ProjectListQuery = z.infer<typeof projectListQuerySchema>
export const projectPageSchema = pageSchema(projectSummarySchema).meta({ id: 'ProjectPage' })
export const projectCountSchema = z.strictObject({ count: z.int() }).meta({ id: 'ProjectCount' })

/** Where a project is shown. */
export function addressOf({ slug }: { readonly slug: string }): string {
  return `/v1/projects/${slug}`
}
