import { z } from 'zod'

/** An agent's name in URLs. */
export const agentSlugSchema = z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/)

/** What makes an agent: who it is, how it works, what it delivers. One YAML file each under `built-in/`. */
export const agentDefinitionSchema = z.strictObject({
  slug: agentSlugSchema,
  name: z.string().min(1).max(80),
  version: z.int().min(1),
  description: z.string().min(1).max(200),
  capabilities: z.array(z.string().min(1)).min(1).max(12),
  /** The system prompt, in Markdown. */
  instructions: z.string().min(1),
  /** JSON Schema (2020-12) of the structured part of the answer. */
  outputSchema: z.record(z.string(), z.unknown()),
})

export type AgentDefinition = z.infer<typeof agentDefinitionSchema>
