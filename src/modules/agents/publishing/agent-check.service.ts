import { Injectable } from '@nestjs/common'
import { AppError, type FieldError } from '#kernel/app-error.js'
import { ModelRegistry } from '#modules/models'
import { ToolRegistry } from '#modules/tools'
import { assertUsableSchema } from '#platform/json-schema/json-schema.js'
import { isAgentSlug } from '../agent-definition.js'
import { agentBuiltIn, noSuchAgent, slugTaken } from '../agents.errors.js'
import { type AgentKey, AgentsRepository } from '../agents.repository.js'
import { BuiltInAgents } from '../built-in-agents.service.js'
import type { AgentChanges } from './agent-changes.js'

/**
 * Refuses, before a version is published, what its runs would stumble over. It looks at the fields that are sent and no
 * others: that a model is gone which an earlier version named must not keep anybody from correcting the instructions.
 */
@Injectable()
export class AgentCheck {
  constructor(
    private readonly builtIn: BuiltInAgents,
    private readonly agents: AgentsRepository,
    private readonly models: ModelRegistry,
    private readonly tools: ToolRegistry,
  ) {}

  /** Whether a tenant's own agent may have the slug, as far as built-in ones go. @throws AppError `slug_taken` */
  assertFree(slug: string): void {
    if (this.builtIn.find(slug)) throw slugTaken()
  }

  /** First of all: of an agent that is not there, nothing else is said. @throws AppError `not_found`, `agent_built_in` */
  async assertOwn(key: AgentKey): Promise<void> {
    if (this.builtIn.find(key.slug)) throw agentBuiltIn()
    const version = isAgentSlug(key.slug) ? await this.agents.findCurrentVersion(key, 'requests') : null
    if (version === null) throw noSuchAgent()
  }

  /** @throws AppError `validation_failed` with a pointer for each thing that is wrong */
  async check(key: AgentKey, changes: AgentChanges): Promise<void> {
    if (changes.outputSchema) assertUsableSchema(changes.outputSchema, '/outputSchema')
    const errors = [...this.unknownModels(changes), ...(await this.unknownDelegates(key, changes))]
    if (errors.length > 0) {
      throw new AppError('validation_failed', 'invalid', { detail: 'The request has invalid fields.', errors })
    }
    if (changes.tools) await this.tools.check(key.tenantId, changes.tools)
  }

  private unknownModels({ model, fallbackModels }: AgentChanges): FieldError[] {
    const named = [
      ...(model ? [{ pointer: '/model', name: model }] : []),
      ...(fallbackModels ?? []).map((name, index) => ({ pointer: `/fallbackModels/${index}`, name })),
    ]
    return named
      .filter(({ name }) => this.models.find(name) === null)
      .map(({ pointer }) => ({ pointer, detail: 'Not a model of this server.' }))
  }

  private async unknownDelegates({ tenantId, slug }: AgentKey, { delegates }: AgentChanges): Promise<FieldError[]> {
    if (!delegates || delegates === 'all') return []
    const others = delegates.filter((name) => !this.builtIn.find(name))
    const known = others.length === 0 ? [] : await this.agents.filterExisting(tenantId, others)
    return delegates.flatMap((name, index) => {
      const pointer = `/delegates/${index}`
      if (name === slug) return [{ pointer, detail: 'An agent cannot give tasks to itself.' }]
      const isKnown = this.builtIn.find(name) !== undefined || known.includes(name)
      return isKnown ? [] : [{ pointer, detail: 'There is no such agent.' }]
    })
  }
}
