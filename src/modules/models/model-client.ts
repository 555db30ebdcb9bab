import { APICallError, type LanguageModelV4 } from '@ai-sdk/provider'
import { Injectable } from '@nestjs/common'
import { generateText, jsonSchema, NoObjectGeneratedError, NoOutputGeneratedError, Output, RetryError } from 'ai'
import { AppError } from '#kernel/app-error.js'
import { AppConfig } from '#platform/config/app-config.js'
import { describeProviderFailure } from './provider-failure.js'
import type { ModelAnswer, ModelCall } from './model-call.js'
import { ModelRegistry } from './model-registry.js'
import { toCitations, toTokenUsage } from './model-result.js'

/** Calls a language model by name: one timeout, retries that honour Retry-After, usage in one form for all providers. */
@Injectable()
export class ModelClient {
  constructor(
    private readonly registry: ModelRegistry,
    private readonly config: AppConfig,
  ) {
    // The SDK would print its warnings to the console, past the logger.
    globalThis.AI_SDK_LOG_WARNINGS = false
  }

  /**
   * @throws AppError `model_failed` when the provider fails or takes too long; the caller's abort reason when that comes first
   */
  async answer(call: ModelCall): Promise<ModelAnswer> {
    const model = this.registry.find(call.model)
    if (!model) {
      throw new AppError('model_failed', 'upstream_failed', {
        detail: `${call.model} is not configured on this server.`,
      })
    }
    const timeout = AbortSignal.timeout(this.config.settings.MODEL_TIMEOUT_MS)
    try {
      return await this.generate(model, call, AbortSignal.any([call.signal, timeout]))
    } catch (error) {
      if (call.signal.aborted) throw call.signal.reason
      if (timeout.aborted) {
        const detail = `${call.model} did not answer within ${this.config.settings.MODEL_TIMEOUT_MS} ms.`
        throw new AppError('model_failed', 'upstream_failed', { detail, cause: error })
      }
      throw this.toAppError(call.model, error)
    }
  }

  private async generate(model: LanguageModelV4, call: ModelCall, signal: AbortSignal): Promise<ModelAnswer> {
    const { material, outputSchema, maxOutputTokens } = call
    const request = {
      model,
      instructions: call.instructions,
      messages: [{ role: 'user' as const, content: call.prompt, providerOptions: { temponest: { ...material } } }],
      maxRetries: this.config.settings.MODEL_MAX_RETRIES,
      abortSignal: signal,
      ...(maxOutputTokens !== undefined && { maxOutputTokens }),
    }
    if (!outputSchema) {
      const { text, usage, sources, finishReason } = await generateText(request)
      return { text, usage: toTokenUsage(usage), citations: toCitations(sources), finishReason }
    }
    try {
      const output = Output.object({ schema: jsonSchema(outputSchema) })
      const { text, usage, sources, finishReason } = await generateText({ ...request, output })
      return { text, usage: toTokenUsage(usage), citations: toCitations(sources), finishReason }
    } catch (error) {
      // The text is no JSON at all. What it is, and what that means, is for the caller, who pays for it in any case.
      if (!NoObjectGeneratedError.isInstance(error)) throw error
      const { text = '', usage, finishReason = 'other' } = error
      return { text, usage: toTokenUsage(usage), citations: [], finishReason }
    }
  }

  private toAppError(model: string, error: unknown): AppError {
    const { OPENAI_API_KEY, ANTHROPIC_API_KEY } = this.config.settings
    const secrets = [OPENAI_API_KEY, ANTHROPIC_API_KEY].filter((secret) => secret !== undefined)
    return new AppError('model_failed', 'upstream_failed', {
      detail: describeProviderFailure(model, rootOf(error), secrets),
      cause: error,
    })
  }
}

/** What went wrong in the last of the tries. */
function rootOf(error: unknown): unknown {
  const last = RetryError.isInstance(error) ? error.lastError : error
  if (APICallError.isInstance(last)) return last
  return NoOutputGeneratedError.isInstance(last) ? last.cause : last
}
