import { z } from 'zod'
import { pageQueryShape, pageSchema } from '#platform/http/page.js'
import type { AgentDefinition } from './agent-definition.js'

const summaryShape = {
  slug: z.string(),
  name: z.string(),
  version: z.int(),
  description: z.string(),
  capabilities: z.array(z.string()),
  builtIn: z.boolean(),
}

export const agentSummarySchema = z.strictObject(summaryShape).meta({ id: 'AgentSummary' })
export type AgentSummary = z.infer<typeof agentSummarySchema>

export const agentSchema = z
  .strictObject({
    ...summaryShape,
    instructions: z.string().describe('The system prompt.'),
    outputSchema: z.record(z.string(), z.unknown()).describe('JSON Schema of the structured part of an answer.'),
  })
  .meta({ id: 'Agent' })
export type Agent = z.infer<typeof agentSchema>

export const agentPageSchema = pageSchema(agentSummarySchema)
export const agentListQuerySchema = z.strictObject(pageQueryShape)
export type AgentListQuery = z.infer<typeof agentListQuerySchema>

export function toAgentSummary({ slug, name, version, description, capabilities }: AgentDefinition): AgentSummary {
  return { slug, name, version, description, capabilities, builtIn: true }
}

export function toAgent(agent: AgentDefinition): Agent {
  return { ...toAgentSummary(agent), instructions: agent.instructions, outputSchema: agent.outputSchema }
}
