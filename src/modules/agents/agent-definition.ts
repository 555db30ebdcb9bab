import { z } from 'zod'
import { findUnstorable } from '#kernel/storable-json.js'
import { modelNameSchema, runLimitsSchema } from './run-options.js'

const MAX_NAME_LENGTH = 80
const MAX_DESCRIPTION_LENGTH = 500
const MAX_CAPABILITIES = 12
const MAX_CAPABILITY_LENGTH = 80
const MAX_INSTRUCTIONS_LENGTH = 50_000
const MAX_FALLBACK_MODELS = 5
const MAX_TOOLS = 20
const MAX_TOOL_NAME_LENGTH = 64
/** Of its JSON: a fixed header or a list of hosts, and no document. */
const MAX_TOOL_CONFIG_CHARACTERS = 20_000
const MAX_DELEGATES = 50
const MAX_KEYWORD_LENGTH = 200
const MAX_SLUG_LENGTH = 64

/** An agent's name in URLs. */
export const agentSlugSchema = z
  .string()
  .max(MAX_SLUG_LENGTH, { abort: true })
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/, {
    error: 'must be 1 to 64 lower-case letters, digits and inner hyphens',
  })

const text = z
  .string()
  .refine((value) => !value.includes('\0'), { error: 'must not contain null characters' })
  .overwrite((value) => value.toWellFormed())

const storableObject = z.record(z.string().max(MAX_KEYWORD_LENGTH), z.unknown()).check((context) => {
  const message = findUnstorable(context.value)
  if (message !== null) context.issues.push({ code: 'custom', message, input: context.value })
})

/** An agent's wish to use a tool of the registry, which knows what `config` the tool takes. */
export const toolUseSchema = z.strictObject({
  tool: text.min(1).max(MAX_TOOL_NAME_LENGTH).describe('Name of a tool of the registry.'),
  requireApproval: z.boolean().optional().describe('A person decides each call. Absent: as the tool itself says.'),
  config: storableObject
    .refine((config) => findUnstorable(config) !== null || isSmall(config), {
      error: `must be at most ${MAX_TOOL_CONFIG_CHARACTERS} characters of JSON`,
    })
    .default({})
    .describe("The tool's own settings."),
})

/** What an agent is made of. Without defaults, so that an absent field of a change stays absent. */
export const agentFields = {
  name: text.trim().min(1).max(MAX_NAME_LENGTH),
  description: text.trim().max(MAX_DESCRIPTION_LENGTH).describe('What it is for; other agents choose by it.'),
  capabilities: z.array(text.trim().min(1).max(MAX_CAPABILITY_LENGTH)).max(MAX_CAPABILITIES),
  instructions: text
    .max(MAX_INSTRUCTIONS_LENGTH)
    .regex(/\S/, { error: 'must say something' })
    .describe('The system prompt, in Markdown.'),
  outputSchema: storableObject.describe(
    'JSON Schema (2020-12) of the structured part of an answer. Absent: free text.',
  ),
  model: modelNameSchema.describe('Model of runs that name none. Absent: the default of the server.'),
  fallbackModels: z
    .array(modelNameSchema)
    .max(MAX_FALLBACK_MODELS)
    .describe('Tried in this order when the model fails; empty: none. Absent: those of the server.'),
  tools: z.array(toolUseSchema).max(MAX_TOOLS),
  delegates: z
    .union([z.literal('all'), z.array(agentSlugSchema).max(MAX_DELEGATES)])
    .describe('Agents that it may give tasks to; `all`: every other agent that you can see.'),
  requireApproval: z.boolean().describe('Every run of it waits for a person first.'),
  limits: runLimitsSchema.describe('Hold for all of its runs; a run may ask for less.'),
}

/** One version of an agent, complete. A built-in one is a YAML file under `built-in/`, a tenant's own a row. */
export const agentDefinitionSchema = z.strictObject({
  slug: agentSlugSchema,
  version: z.int().min(1),
  name: agentFields.name,
  description: agentFields.description.default(''),
  capabilities: agentFields.capabilities.default([]),
  instructions: agentFields.instructions,
  outputSchema: agentFields.outputSchema.optional(),
  model: agentFields.model.optional(),
  fallbackModels: agentFields.fallbackModels.optional(),
  tools: agentFields.tools.default([]),
  delegates: agentFields.delegates.default([]),
  requireApproval: agentFields.requireApproval.default(false),
  limits: agentFields.limits.optional(),
})
export type AgentDefinition = z.infer<typeof agentDefinitionSchema>

/** What a version says of the agent: what is published, and never changed. */
export type AgentContent = Omit<AgentDefinition, 'slug' | 'version'>

/** An agent as lists show it. */
export type AgentOverview = Pick<AgentDefinition, 'slug' | 'name' | 'version' | 'description' | 'capabilities'> & {
  readonly builtIn: boolean
}

export function isAgentSlug(text: string): boolean {
  return agentSlugSchema.safeParse(text).success
}

/** Called for what can be stored only: any deeper, and it could not be written as JSON either. */
function isSmall(config: Readonly<Record<string, unknown>>): boolean {
  return JSON.stringify(config).length <= MAX_TOOL_CONFIG_CHARACTERS
}
