import { Injectable } from '@nestjs/common'
import { Usd } from '#kernel/usd.js'
import { AgentDirectory } from '#modules/agents'
import { inputTokensAtWorst, type WorstCase, WorstCases } from '#modules/costs'
import { composePrompt } from './engine/run-prompt.js'
import { PromptBounds } from './prompt-bounds.service.js'
import type { PlannedRun } from './run-planner.service.js'

/** Instructions and prompt. */
const MESSAGES = 2

/** Says what the first call of a new run can cost at worst, before anything is written. */
@Injectable()
export class RunAdmissions {
  constructor(
    private readonly agents: AgentDirectory,
    private readonly worstCases: WorstCases,
    private readonly bounds: PromptBounds,
  ) {}

  /**
   * Null: no budget counts it, or it costs nothing; then no token is counted either. Tools are not known yet: a call that is told
   * of some is reserved for anew when it is made.
   */
  async worstOf(run: PlannedRun, isOfProject: boolean): Promise<WorstCase | null> {
    const { agent, apiKeyId, createdAt: moment, input, rules } = run
    if (!rules.mayHaveBudgetFor({ agent, apiKeyId }, isOfProject)) return null
    const models = [run.model, ...(input.fallbackModels ?? [])]
    if (this.worstCases.isFree({ models, rules, moment })) return null
    const inputTokens = await this.countPrompt(run)
    const { maxTokens, maxCostUsd } = input.limits ?? {}
    const maxUsd = maxCostUsd === undefined ? undefined : Usd.parse(maxCostUsd)
    const isFixed = maxTokens !== undefined
    return this.worstCases.of({ models, rules, moment, inputTokens, maxTokens, isFixed, maxUsd })
  }

  private async countPrompt({ tenantId, agent, agentVersion, task, context, input }: PlannedRun): Promise<number> {
    const { instructions, outputSchema } = await this.agents.getVersion(tenantId, agent, agentVersion)
    const required = input.outputSchema
    const outputSchemas = { defaultOutputSchema: outputSchema, requiredOutputSchema: required }
    const { prompt, ...composed } = composePrompt({ instructions, task, context, ...outputSchemas })
    const texts = [prompt, ...(required ? [JSON.stringify(required)] : [])]
    // What is reserved for input is not left for output.
    const isExact = input.limits?.maxCostUsd !== undefined
    const bound = await this.bounds.of({ instructions: composed.instructions, texts, isExact })
    return inputTokensAtWorst(bound, MESSAGES)
  }
}
