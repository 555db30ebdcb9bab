import { z } from 'zod'
import { pageQueryShape, pageSchema } from '#platform/http/page.js'
import { type AgentDefinition, agentFields, agentSlugSchema } from './agent-definition.js'
import { runLimitsSchema } from './run-options.js'

const {
  name,
  instructions,
  description,
  capabilities,
  outputSchema,
  model,
  fallbackModels,
  tools,
  delegates,
  requireApproval,
  limits,
} = agentFields

/** Null is the same as nothing in a new agent, and clears in a change. */
const optionalFields = {
  description: description.nullish(),
  capabilities: capabilities.nullish(),
  outputSchema: outputSchema.nullish(),
  model: model.nullish(),
  fallbackModels: fallbackModels.nullish(),
  tools: tools.nullish(),
  delegates: delegates.nullish(),
  requireApproval: requireApproval.nullish(),
  limits: limits.nullish(),
}

export const createAgentSchema = z
  .strictObject({ slug: agentSlugSchema, name, instructions, ...optionalFields })
  .meta({ id: 'CreateAgent' })
export type CreateAgentCommand = z.infer<typeof createAgentSchema>

export const updateAgentSchema = z
  .strictObject({ name: name.optional(), instructions: instructions.optional(), ...optionalFields })
  .meta({ id: 'UpdateAgent' })
export type UpdateAgentCommand = z.infer<typeof updateAgentSchema>

const summaryShape = {
  slug: z.string(),
  name: z.string(),
  version: z.int(),
  description: z.string(),
  capabilities: z.array(z.string()),
  builtIn: z.boolean().describe('It came with the server, the same for everybody, and cannot be changed.'),
}

export const agentSummarySchema = z.strictObject(summaryShape).meta({ id: 'AgentSummary' })
export type AgentSummary = z.infer<typeof agentSummarySchema>

const toolUseViewSchema = z.strictObject({
  tool: z.string(),
  requireApproval: z.boolean().optional(),
  config: z.record(z.string(), z.unknown()),
})

/** What is too long for lists. */
const contentShape = {
  instructions: z.string().describe('The system prompt.'),
  outputSchema: z
    .record(z.string(), z.unknown())
    .nullable()
    .describe('JSON Schema of the structured part of an answer; null: free text.'),
  model: z.string().nullable().describe("Null: the server's default."),
  fallbackModels: z.array(z.string()).nullable().describe("Null: the server's."),
  tools: z.array(toolUseViewSchema),
  delegates: z.union([z.literal('all'), z.array(z.string())]),
  requireApproval: z.boolean(),
  limits: runLimitsSchema.nullable(),
}

export const agentSchema = z.strictObject({ ...summaryShape, ...contentShape }).meta({ id: 'Agent' })
export type Agent = z.infer<typeof agentSchema>

/** Who published a version, and when. Null of a built-in agent, which came with the server. */
const publicationShape = {
  createdAt: z.iso.datetime({ precision: 3 }).nullable(),
  createdBy: z.uuid().nullable().describe('The user; of an API key, its maker.'),
}

export const agentVersionSummarySchema = z
  .strictObject({
    version: summaryShape.version,
    name: summaryShape.name,
    description: summaryShape.description,
    capabilities: summaryShape.capabilities,
    ...publicationShape,
  })
  .meta({ id: 'AgentVersionSummary' })
export type AgentVersionSummary = z.infer<typeof agentVersionSummarySchema>

export const agentVersionSchema = z
  .strictObject({ ...summaryShape, ...contentShape, ...publicationShape })
  .meta({ id: 'AgentVersion' })
export type AgentVersion = z.infer<typeof agentVersionSchema>

export const agentPageSchema = pageSchema(agentSummarySchema)
export const agentVersionPageSchema = pageSchema(agentVersionSummarySchema)
export const agentListQuerySchema = z.strictObject(pageQueryShape)
export type AgentListQuery = z.infer<typeof agentListQuerySchema>

export function toAgent(
  { slug, name, version, description, capabilities, ...content }: AgentDefinition,
  { builtIn }: { builtIn: boolean },
): Agent {
  return {
    slug,
    name,
    version,
    description,
    capabilities,
    builtIn,
    instructions: content.instructions,
    outputSchema: content.outputSchema ?? null,
    model: content.model ?? null,
    fallbackModels: content.fallbackModels ?? null,
    tools: content.tools,
    delegates: content.delegates,
    requireApproval: content.requireApproval,
    limits: content.limits ?? null,
  }
}

/** Where an agent is shown. */
export function agentAddress(slug: string): string {
  return `/v1/agents/${slug}`
}
