import { readdirSync, readFileSync } from 'node:fs'
import { Injectable } from '@nestjs/common'
import { parse } from 'yaml'
import { AppError } from '#kernel/app-error.js'
import { type AgentDefinition, agentDefinitionSchema } from './agent-definition.js'

const BUILT_IN_FOLDER = new URL('./built-in/', import.meta.url)

/** The agents that can be run. The built-in ones are read once, when the app starts. */
@Injectable()
export class AgentDirectory {
  private readonly agents: ReadonlyMap<string, AgentDefinition> = loadBuiltInAgents()

  /** @throws AppError `not_found` */
  get(slug: string): AgentDefinition {
    const agent = this.agents.get(slug)
    if (!agent) throw new AppError('not_found', 'not_found', { detail: 'There is no such agent.' })
    return agent
  }

  /** Up to `limit` agents by slug, after the one named. */
  list({ after, limit }: { after?: string | undefined; limit: number }): AgentDefinition[] {
    return [...this.agents.values()].filter(({ slug }) => after === undefined || slug > after).slice(0, limit)
  }
}

function loadBuiltInAgents(): Map<string, AgentDefinition> {
  const files = readdirSync(BUILT_IN_FOLDER).filter((file) => file.endsWith('.yaml'))
  const agents = files.sort().map((file) => readAgent(file))
  return new Map(agents.map((agent) => [agent.slug, agent]))
}

function readAgent(file: string): AgentDefinition {
  const parsed = agentDefinitionSchema.safeParse(parse(readFileSync(new URL(file, BUILT_IN_FOLDER), 'utf8')))
  if (!parsed.success) throw new Error(`built-in agent ${file}: ${parsed.error.message}`)
  return parsed.data
}
