import { Injectable } from '@nestjs/common'
import { type AppError, invalidField } from '#kernel/app-error.js'
import { Clock } from '#kernel/clock.js'
import { newId } from '#kernel/ids.js'
import { Usd } from '#kernel/usd.js'
import { AgentDirectory } from '#modules/agents'
import { type SpendingRules, TenantsSpendingRules } from '#modules/costs'
import { ModelRegistry } from '#modules/models'
import { AppConfig } from '#platform/config/app-config.js'
import type { PoolName } from '#platform/database/database.js'
import { mergeLimits } from './engine/merge-limits.js'
import { OutputReader } from './engine/output-reader.service.js'
import type { RunRequester } from './run-requester.js'
import type { RunEntity, RunInput } from './run.entity.js'
import { modelUnpriced } from './runs.errors.js'
import type { StartRunCommand } from './runs.schemas.js'

const NOTHING_USED = { inputTokens: 0, cachedInputTokens: 0, outputTokens: 0, reasoningTokens: 0 }

/** Everything about a new run but its project. */
export type PlannedRun = Omit<RunEntity, 'projectId'> & {
  /** Its first step is a model call, whatever else happens: nobody has to be asked, and no tool to be opened. */
  readonly beginsWithModel: boolean
  /** Of its tenant, as they were when it was planned. */
  readonly rules: SpendingRules
}

/** Decides what a new run will be, and refuses what it could not be, before anything is written or spent. */
@Injectable()
export class RunPlanner {
  constructor(
    private readonly config: AppConfig,
    private readonly agents: AgentDirectory,
    private readonly models: ModelRegistry,
    private readonly rules: TenantsSpendingRules,
    private readonly outputs: OutputReader,
    private readonly clock: Clock,
  ) {}

  /** @throws AppError `not_found` for the agent, `validation_failed` for what the command asks, `model_unpriced` */
  async plan(
    requester: RunRequester,
    slug: string,
    command: StartRunCommand,
    pool: PoolName = 'requests',
  ): Promise<PlannedRun> {
    const agent = await this.agents.get(requester.tenantId, slug, pool)
    const rules = await this.rules.of(requester.tenantId, pool)
    const createdAt = this.clock.now()
    const [model = this.models.defaultModel, ...fallbackModels] = this.models.resolveChain(command.model, agent)
    const { outputSchema, metadata = {} } = command
    if (outputSchema) this.outputs.checkSchema(outputSchema)
    if (command.knowledge) throw invalidField('/knowledge', 'This server has no knowledge collections yet.')
    const limits = mergeLimits(command.limits, agent.limits)
    if (!rules.allows(model, createdAt)) throw modelUnpriced(model)
    const isPriced = rules.findPrice(model, createdAt) !== null
    if (limits.maxCostUsd !== undefined && !isPriced) throw withoutPrice(model)
    const cache = command.cache ?? this.config.settings.RUN_CACHE_DEFAULT
    const startApproval = command.requireApproval ? 'run' : agent.requireApproval ? 'agent' : undefined
    const input: RunInput = {
      ...(outputSchema && { outputSchema }),
      ...(Object.keys(limits).length > 0 && { limits }),
      ...(fallbackModels.length > 0 && { fallbackModels }),
      ...(startApproval && { startApproval }),
      cache,
    }
    const id = newId()
    return {
      ...NOTHING_USED,
      tenantId: requester.tenantId,
      id,
      rootRunId: id,
      depth: 0,
      queuedSince: createdAt,
      deadlineAt: null,
      waitingSince: null,
      timeGivenUntil: null,
      cancelRequestedAt: null,
      lastEvent: 0,
      steps: 0,
      agent: agent.slug,
      agentVersion: agent.version,
      status: 'pending',
      task: command.task,
      context: command.context ?? null,
      model,
      input,
      output: null,
      errorCode: null,
      errorDetail: null,
      costUsd: isPriced ? Usd.ZERO.toString() : null,
      cache: cache === 'off' ? 'off' : 'miss',
      attempt: 0,
      parentRunId: null,
      scheduleId: null,
      userId: requester.userId,
      apiKeyId: requester.apiKeyId,
      metadata,
      createdAt,
      startedAt: null,
      finishedAt: null,
      fencingNumber: '0',
      leaseExpiresAt: null,
      beginsWithModel: startApproval === undefined && agent.tools.length === 0,
      rules,
    }
  }
}

/** It cannot be held to a cost. */
function withoutPrice(model: string): AppError {
  return invalidField('/limits/maxCostUsd', `${model} has no price here: use maxTokens, or name its price.`)
}
