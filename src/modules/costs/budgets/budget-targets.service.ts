import { Injectable } from '@nestjs/common'
import { AppError, invalidField } from '#kernel/app-error.js'
import { isUuid } from '#kernel/ids.js'
import { AgentDirectory } from '#modules/agents'
import { ApiKeyDirectory } from '#modules/auth'
import { ProjectDirectory } from '#modules/projects'
import type { Tx } from '#platform/database/tx.js'
import type { BudgetScope } from './budget.js'
import type { CreateBudgetCommand } from './budgets.schemas.js'

type Scoped = Pick<CreateBudgetCommand, 'scope' | 'scopeId'>

/** Finds out what a budget is to count. */
@Injectable()
export class BudgetTargets {
  constructor(
    private readonly agents: AgentDirectory,
    private readonly projects: ProjectDirectory,
    private readonly keys: ApiKeyDirectory,
  ) {}

  /** What can be said without the database's word. An agent's slug is its target. @throws AppError `validation_failed` at /scopeId */
  async check(tenantId: string, { scope, scopeId }: Scoped): Promise<void> {
    if (scope === 'tenant' && scopeId !== undefined) throw invalidField('/scopeId', 'A budget of the tenant has none.')
    if (scope !== 'tenant' && scopeId === undefined) throw invalidField('/scopeId', `Say which ${NOUNS[scope]}.`)
    if (scope === 'agent' && !(await this.hasAgent(tenantId, scopeId ?? ''))) throw unknown(scope)
  }

  /** What entries are told by: empty for the tenant. Of what has been checked. @throws AppError `validation_failed` at /scopeId */
  async resolve(tenantId: string, { scope, scopeId = '' }: Scoped, tx: Tx): Promise<string> {
    if (scope === 'tenant' || scope === 'agent') return scopeId
    const target =
      scope === 'project' ? await this.projects.claimAny(scopeId, tx) : await this.findKey(tenantId, scopeId, tx)
    if (target === null) throw unknown(scope)
    return target
  }

  private async findKey(tenantId: string, id: string, tx: Tx): Promise<string | null> {
    return isUuid(id) && (await this.keys.has({ tenantId, id }, tx)) ? id.toLowerCase() : null
  }

  private async hasAgent(tenantId: string, slug: string): Promise<boolean> {
    try {
      await this.agents.get(tenantId, slug)
      return true
    } catch (error) {
      if (error instanceof AppError && error.kind === 'not_found') return false
      throw error
    }
  }
}

const NOUNS: Record<BudgetScope, string> = { tenant: 'tenant', project: 'project', agent: 'agent', apiKey: 'API key' }

function unknown(scope: BudgetScope): AppError {
  return invalidField('/scopeId', `There is no such ${NOUNS[scope]}.`)
}
