import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { z } from 'zod'
import { newId } from '#kernel/ids.js'
import { type AgentDefinition, AgentDirectory } from '#modules/agents'
import { ModelRegistry, type ModelTool, type ModelToolCall } from '#modules/models'
import type { RunEntity } from '../run.entity.js'
import { MAX_TASK_LENGTH } from '../runs.schemas.js'
import { DelegationsRepository } from './delegations.repository.js'
import { type Delegated, newChild } from './new-child.js'
import { RunLimits } from './run-limits.service.js'
import type { RunSession } from './run-session.js'

/** What a model calls to give work to another agent. */
export const DELEGATE_TOOL = 'delegate'
const MAX_DEPTH = 3
const MAX_CHILDREN = 20

const argumentsSchema = z.object({
  agent: z.string(),
  task: z.string().trim().min(1).max(MAX_TASK_LENGTH),
})

/** What a model asked for at once. */
export interface DelegationPlan {
  readonly agent: AgentDefinition
  readonly calls: readonly ModelToolCall[]
  /** That the whole answer leads to in the run itself, the delegations among them. */
  readonly steps: number
  readonly now: Date
}

/** A delegation that the model asked for: the child run that it becomes, or why it does not. */
export type PlannedDelegation = { readonly call: ModelToolCall; readonly agent: string; readonly task: string } & (
  | { readonly child: RunEntity }
  | { readonly refusal: string }
)

/** Agents that give work to agents: what they are told of it, and what becomes of it. */
@Injectable()
export class Delegation {
  constructor(
    private readonly agents: AgentDirectory,
    private readonly models: ModelRegistry,
    private readonly limits: RunLimits,
    private readonly rows: DelegationsRepository,
  ) {}

  /** The tool as the model is told of it; null for an agent that delegates to nobody. */
  async describe(tenantId: string, agent: AgentDefinition, depth: number): Promise<ModelTool | null> {
    if (agent.delegates.length === 0 || depth >= MAX_DEPTH) return null
    const delegates = await this.agents.listDelegates(tenantId, agent)
    if (delegates.length === 0) return null
    const list = delegates.map(({ slug, name, description }) => `- ${slug}: ${name}. ${description}`).join('\n')
    return {
      name: DELEGATE_TOOL,
      description:
        'Gives a task to another agent, and returns what it delivers. The agent sees nothing but the task: say in it all that ' +
        `it needs to know. Calls made together run in parallel.\nAgents:\n${list}`,
      inputSchema: {
        type: 'object',
        additionalProperties: false,
        required: ['agent', 'task'],
        properties: {
          agent: { type: 'string', enum: delegates.map(({ slug }) => slug) },
          task: { type: 'string', minLength: 1, maxLength: MAX_TASK_LENGTH },
        },
      },
    }
  }

  /** Decides all delegations that begin together. @throws AppError `limit_exceeded` when nothing is left to give them */
  async plan(session: RunSession, { agent, calls, steps, now }: DelegationPlan): Promise<PlannedDelegation[]> {
    if (calls.length === 0) return []
    const { run } = session
    const line = new Set([run.agent, ...(await this.rows.listAncestorAgents(run))])
    const delegates = await this.agents.listDelegates(run.tenantId, agent)
    const known = new Set(delegates.map(({ slug }) => slug))
    let places = MAX_CHILDREN - session.steps.filter((step) => step.kind === 'delegation' && step.childRunId).length
    const checked = calls.map((call): Checked => {
      const parsed = argumentsSchema.safeParse(call.arguments)
      if (!parsed.success) return { call, agent: 'unknown', task: '', refusal: z.prettifyError(parsed.error) }
      const refusal = refusalOf({ agent: parsed.data.agent, known, line, depth: run.depth, places })
      if (refusal === null) places -= 1
      return { call, agent: parsed.data.agent, task: parsed.data.task, refusal }
    })
    const children = checked.filter(({ refusal }) => refusal === null).length
    const limits = children > 0 ? this.limits.shareOf(session, { children, steps }) : {}
    const rootCreatedAt = children > 0 ? await this.rows.findRootCreatedAt(run) : now
    return Promise.all(checked.map((delegation) => this.toPlan(delegation, { run, limits, rootCreatedAt, now })))
  }

  private async toPlan({ call, agent, task, refusal }: Checked, terms: Terms): Promise<PlannedDelegation> {
    if (refusal !== null) return { call, agent, task, refusal }
    try {
      const definition = await this.agents.get(terms.run.tenantId, agent)
      const chain = this.models.resolveChain(undefined, definition)
      return { call, agent, task, child: newChild({ ...terms, id: newId(), agent: definition, chain, task }) }
    } catch (error) {
      // An agent that is gone, or whose model is: for the model to deal with, not the end of the run.
      if (error instanceof AppError) return { call, agent, task, refusal: error.detail ?? error.code }
      throw error
    }
  }
}

type Terms = Pick<Delegated, 'run' | 'limits' | 'rootCreatedAt' | 'now'>

interface Checked {
  readonly call: ModelToolCall
  readonly agent: string
  readonly task: string
  /** Null: nothing speaks against it. */
  readonly refusal: string | null
}

interface Candidate {
  readonly agent: string
  readonly known: ReadonlySet<string>
  readonly line: ReadonlySet<string>
  readonly depth: number
  readonly places: number
}

function refusalOf({ agent, known, line, depth, places }: Candidate): string | null {
  if (depth >= MAX_DEPTH) return `Tasks are passed on at most ${MAX_DEPTH} times; do this one yourself.`
  if (line.has(agent)) return `${agent} is at work on this already: a task must not come back to who gave it.`
  if (!known.has(agent)) return `There is no agent ${agent} that you may delegate to.`
  return places > 0 ? null : `A run delegates to at most ${MAX_CHILDREN} others.`
}
