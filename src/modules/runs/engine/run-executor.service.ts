import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { AgentDirectory } from '#modules/agents'
import { type ModelAnswer, ModelClient } from '#modules/models'
import type { RunOutput } from '../runs.schemas.js'
import type { ClaimedRun } from './engine.repository.js'
import { OutputReader } from './output-reader.service.js'
import { composePrompt } from './run-prompt.js'

/** What working on a run gave: a result, or an error with whatever had been used until then. */
export interface Execution {
  readonly output: RunOutput | null
  readonly error: AppError | null
  readonly answer: ModelAnswer | null
}

/** Works on one run. Writes nothing: what came of it is for the worker to settle. */
@Injectable()
export class RunExecutor {
  constructor(
    private readonly agents: AgentDirectory,
    private readonly models: ModelClient,
    private readonly outputs: OutputReader,
  ) {}

  /** @throws the signal's reason when it aborts; a run that fails by itself is an outcome, not a rejection */
  async execute(run: ClaimedRun, signal: AbortSignal): Promise<Execution> {
    let answer: ModelAnswer | null = null
    try {
      const agent = this.agents.get(run.agent)
      const { outputSchema, limits } = run.input
      answer = await this.models.answer({
        model: run.model,
        ...composePrompt({
          instructions: agent.instructions,
          task: run.task,
          context: run.context,
          defaultOutputSchema: agent.outputSchema,
          requiredOutputSchema: outputSchema,
        }),
        material: { task: run.task, ...(run.context !== null && { context: run.context }) },
        signal,
        ...(outputSchema && { outputSchema }),
        ...(limits?.maxTokens !== undefined && { maxOutputTokens: limits.maxTokens }),
      })
      const data = outputSchema
        ? this.outputs.readRequired(answer.text, outputSchema)
        : this.outputs.findDefault(answer.text, agent.outputSchema)
      return { output: { text: answer.text, data, citations: [...answer.citations] }, error: null, answer }
    } catch (error) {
      if (signal.aborted) throw signal.reason
      if (error instanceof AppError) return { output: null, error, answer }
      throw error
    }
  }
}
