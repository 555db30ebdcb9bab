import type { LanguageModelV4, LanguageModelV4CallOptions } from '@ai-sdk/provider'
import { Injectable } from '@nestjs/common'
import { AppConfig } from '#platform/config/app-config.js'
import { AnswerDraft, MAX_ANSWER_CHARACTERS } from './answer-draft.js'
import type { CallProgress } from './call-progress.js'
import type { ModelAnswer, ModelCall, ModelUse } from './model-call.js'
import { ModelCircuits } from './model-circuits.service.js'
import { ModelFailure } from './model-failure.js'
import { ModelMetrics } from './model-metrics.service.js'
import { toCallOptions } from './model-prompt.js'
import { streamAnswer } from './model-stream.js'
import { UsageEstimator } from './usage-estimator.service.js'

export interface ModelTry {
  /** `provider/model` */
  readonly name: string
  readonly model: LanguageModelV4
  readonly call: ModelCall
  readonly progress: CallProgress
  /** Of the model's time. */
  readonly remainingMs: number
}

/** Makes single network calls, through the model's circuit, and accounts for them. */
@Injectable()
export class ModelTries {
  constructor(
    private readonly circuits: ModelCircuits,
    private readonly estimator: UsageEstimator,
    private readonly metrics: ModelMetrics,
    private readonly config: AppConfig,
  ) {}

  /** @returns the failure rather than throw it: it is an everyday result, and its use is booked with `progress` */
  async make({ name, model, call, progress, remainingMs }: ModelTry): Promise<ModelAnswer | ModelFailure> {
    const { MODEL_IDLE_TIMEOUT_MS: idleTimeoutMs, MODEL_TIMEOUT_MS: timeoutMs } = this.config.settings
    const draft = new AnswerDraft(MAX_ANSWER_CHARACTERS - progress.said.length)
    const options = toCallOptions(call, progress.nextTerms(name))
    const { signal } = call
    const onText = (text: string) => progress.say(text, name)
    try {
      await this.circuits.run(name, () =>
        streamAnswer({ model, options, draft, onText, signal, idleTimeoutMs, remainingMs, timeoutMs }),
      )
    } catch (error) {
      if (!(error instanceof ModelFailure)) throw error
      await this.accountForFailure(error, { name, options, draft, progress, signal })
      return error
    }
    this.account(progress, { model: name, ...(await this.usageOf(options, draft, signal)), outcome: 'answered' })
    return progress.finish(draft, name)
  }

  private async accountForFailure(
    { reason }: ModelFailure,
    context: Pick<ModelTry, 'name' | 'progress'> & {
      readonly options: LanguageModelV4CallOptions
      readonly draft: AnswerDraft
      readonly signal: AbortSignal
    },
  ): Promise<void> {
    const { name, options, draft, progress, signal } = context
    if (reason === 'circuit_open') return
    const outcome = reason === 'aborted' ? 'aborted' : 'failed'
    // A provider bills what it has read once it began to answer, and goes on reading for a while when we hang up.
    if (outcome === 'failed' && !draft.mayCost) {
      this.metrics.countCall(name, outcome)
      return
    }
    const used = await this.usageOf(options, draft, signal)
    this.account(progress, { model: name, ...used, outcome })
    progress.keep(draft, used.usage.outputTokens)
  }

  /** Never unknown: limits would not hold for a provider that keeps silent. */
  private async usageOf(
    options: LanguageModelV4CallOptions,
    draft: AnswerDraft,
    callSignal: AbortSignal,
  ): Promise<Pick<ModelUse, 'usage' | 'isEstimated'>> {
    if (draft.reportedUsage.isReported) return { usage: draft.reportedUsage, isEstimated: false }
    return { usage: await this.estimator.estimate(options, draft, callSignal), isEstimated: true }
  }

  private account(progress: CallProgress, use: ModelUse): void {
    progress.uses.push(use)
    this.metrics.countCall(use.model, use.outcome)
  }
}
