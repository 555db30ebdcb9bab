import { readdirSync, readFileSync } from 'node:fs'
import { Injectable } from '@nestjs/common'
import { parse } from 'yaml'
import { agentFields, agentDefinitionSchema, type AgentDefinition } from './agent-definition.js'

const FOLDER = new URL('./built-in/', import.meta.url)

/** One that came with the server leaves nothing out that tells people what it does. */
const builtInAgentSchema = agentDefinitionSchema.extend({
  description: agentFields.description.min(1),
  capabilities: agentFields.capabilities.min(1),
  outputSchema: agentFields.outputSchema,
})

/** The agents that came with the server, the same for every tenant. Read once, when the app starts. */
@Injectable()
export class BuiltInAgents {
  /** By slug. */
  readonly all: readonly AgentDefinition[] = readdirSync(FOLDER)
    .filter((file) => file.endsWith('.yaml'))
    .map(readAgent)
    .sort((a, b) => (a.slug < b.slug ? -1 : 1))
  private readonly bySlug = new Map(this.all.map((agent) => [agent.slug, agent]))

  find(slug: string): AgentDefinition | undefined {
    return this.bySlug.get(slug)
  }
}

function readAgent(file: string): AgentDefinition {
  const parsed = builtInAgentSchema.safeParse(parse(readFileSync(new URL(file, FOLDER), 'utf8')))
  if (!parsed.success) throw new Error(`built-in agent ${file}: ${parsed.error.message}`)
  return parsed.data
}
