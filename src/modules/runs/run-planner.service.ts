import { Injectable } from '@nestjs/common'
import { invalidField } from '#kernel/app-error.js'
import { Clock } from '#kernel/clock.js'
import { newId } from '#kernel/ids.js'
import { AgentDirectory } from '#modules/agents'
import { CostLedger } from '#modules/costs'
import { ModelRegistry } from '#modules/models'
import type { Principal } from '#platform/http/principal.js'
import { OutputReader } from './engine/output-reader.service.js'
import type { RunEntity } from './run.entity.js'
import type { StartRunCommand } from './runs.schemas.js'

const NOTHING_USED = { inputTokens: 0, cachedInputTokens: 0, outputTokens: 0, reasoningTokens: 0 }

/** Everything about a new run but its project. */
export type PlannedRun = Omit<RunEntity, 'projectId'>

/** Decides what a new run will be, and refuses what it could not be, before anything is written or spent. */
@Injectable()
export class RunPlanner {
  constructor(
    private readonly agents: AgentDirectory,
    private readonly models: ModelRegistry,
    private readonly costs: CostLedger,
    private readonly outputs: OutputReader,
    private readonly clock: Clock,
  ) {}

  /** @throws AppError `not_found` for the agent, `validation_failed` for what the command asks */
  plan(principal: Principal, slug: string, command: StartRunCommand): PlannedRun {
    const agent = this.agents.get(slug)
    const model = this.models.resolveName(command.model)
    if (command.outputSchema) this.outputs.checkSchema(command.outputSchema)
    refuseWhatIsMissing(command)
    const { outputSchema, limits, cache, metadata = {} } = command
    return {
      ...NOTHING_USED,
      tenantId: principal.tenantId,
      id: newId(),
      agent: agent.slug,
      agentVersion: agent.version,
      status: 'pending',
      task: command.task,
      context: command.context ?? null,
      model,
      input: { ...(outputSchema && { outputSchema }), ...(limits && { limits }), ...(cache && { cache }) },
      output: null,
      errorCode: null,
      errorDetail: null,
      costUsd: this.costs.price(model, NOTHING_USED)?.toString() ?? null,
      cache: 'off',
      attempt: 0,
      parentRunId: null,
      scheduleId: null,
      userId: principal.userId,
      apiKeyId: principal.apiKeyId,
      metadata,
      createdAt: this.clock.now(),
      startedAt: null,
      finishedAt: null,
      fencingNumber: '0',
      leaseExpiresAt: null,
    }
  }
}

/** A promise that this version cannot keep is refused: an approval that nobody asks for would be worse than none. */
function refuseWhatIsMissing({ knowledge, requireApproval, limits }: StartRunCommand): void {
  if (knowledge) throw invalidField('/knowledge', 'This server has no knowledge collections yet.')
  if (requireApproval) throw invalidField('/requireApproval', 'This server has no approvals yet.')
  if (limits?.maxCostUsd !== undefined) {
    throw invalidField('/limits/maxCostUsd', 'This server does not hold runs to a cost yet: use maxTokens.')
  }
}
