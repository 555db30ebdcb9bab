import { Injectable } from '@nestjs/common'
import { AgentDirectory } from '#modules/agents'
import { Toolbox } from '#modules/tools'
import type { ClaimedRun } from './claimed-run.js'
import { Delegation } from './delegation.service.js'
import type { CallPolicy } from './next-move.js'
import type { RunContext } from './run-context.js'
import { composePrompt } from './run-prompt.js'

const NO_TOOLS: RunContext['bound'] = new Map()

/** Puts together what a run is worked on with. */
@Injectable()
export class RunContexts {
  constructor(
    private readonly agents: AgentDirectory,
    private readonly toolbox: Toolbox,
    private readonly delegation: Delegation,
  ) {}

  /** @throws AppError `not_found` for an agent that is gone, `tool_unavailable` */
  async of(run: ClaimedRun, signal: AbortSignal): Promise<RunContext> {
    const { tenantId, input } = run
    const agent = await this.agents.getVersion(tenantId, run.agent, run.agentVersion)
    const opened = agent.tools.length > 0 ? await this.toolbox.open(tenantId, agent.tools, signal) : []
    const bound = opened.length > 0 ? new Map(opened.map((tool) => [tool.name, tool])) : NO_TOOLS
    const delegate = await this.delegation.describe(tenantId, agent, run.depth)
    const policyOf = (name: string): CallPolicy | null => bound.get(name) ?? null
    return {
      agent,
      prompt: composePrompt({
        instructions: agent.instructions,
        task: run.task,
        context: run.context,
        defaultOutputSchema: agent.outputSchema,
        requiredOutputSchema: input.outputSchema,
      }),
      models: [run.model, ...(input.fallbackModels ?? [])],
      tools: [
        ...opened.map(({ name, description, inputSchema }) => ({ name, description, inputSchema })),
        ...(delegate ? [delegate] : []),
      ],
      bound,
      rules: { startApproval: input.startApproval ?? null, policyOf },
    }
  }
}
