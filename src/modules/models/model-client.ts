import { Injectable } from '@nestjs/common'
import { ExponentialBackoff } from 'cockatiel'
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '#kernel/app-error.js'
import { AppConfig } from '#platform/config/app-config.js'
import { CallProgress } from './call-progress.js'
import type { ModelAnswer, ModelCall, ModelOutcome } from './model-call.js'
import { ModelFailure } from './model-failure.js'
import { ModelRegistry, OFFLINE_MODEL } from './model-registry.js'
import { ModelTries } from './model-tries.service.js'
import { nextMove } from './next-move.js'
import { describeProviderFailure } from './provider-failure.js'

const MAX_DETAIL_LENGTH = 1000
/** Decorrelated jitter around 0.5, 1, 2 … s. */
const BACKOFF = new ExponentialBackoff({ initialDelay: 500, maxDelay: 10_000 })

/** What asking one model came to. */
type Verdict =
  | { readonly kind: 'answered'; readonly answer: ModelAnswer }
  | { readonly kind: 'failed'; readonly failure: ModelFailure; readonly isFinal: boolean }
  | { readonly kind: 'refused'; readonly error: AppError }
  | { readonly kind: 'aborted' }

/**
 * Calls language models: retries what may pass, goes on to the next of the chain, also in the middle of an answer, and
 * accounts for every call that may have cost something.
 */
@Injectable()
export class ModelClient {
  constructor(
    private readonly registry: ModelRegistry,
    private readonly tries: ModelTries,
    private readonly config: AppConfig,
  ) {}

  /** Never rejects for what a provider does, nor for an abort: that resolves, with neither answer nor error. */
  async call(call: ModelCall): Promise<ModelOutcome> {
    const progress = new CallProgress(call)
    const { uses } = progress
    const details: string[] = []
    for (const name of call.models) {
      const verdict = await this.ask(name, call, progress)
      if (verdict.kind === 'aborted') return { answer: null, error: null, uses }
      if (verdict.kind === 'answered') return { answer: verdict.answer, error: null, uses }
      if (verdict.kind === 'refused') return { answer: null, error: verdict.error, uses }
      details.push(describeProviderFailure(name, verdict.failure, this.secrets))
      if (verdict.isFinal) break
    }
    const detail = details.join(' ').slice(0, MAX_DETAIL_LENGTH)
    return { answer: null, error: new AppError('model_failed', 'upstream_failed', { detail }), uses }
  }

  /** All tries of one model, within MODEL_TIMEOUT_MS. */
  private async ask(name: string, call: ModelCall, progress: CallProgress): Promise<Verdict> {
    const model = this.registry.find(name)
    if (!model) {
      return { kind: 'failed', failure: new ModelFailure('unserved', 'not configured on this server.'), isFinal: false }
    }
    // It quotes; it cannot go on from what another one said.
    if (name === OFFLINE_MODEL) progress.startOver()
    const { MODEL_TIMEOUT_MS, MODEL_MAX_RETRIES } = this.config.settings
    const deadlineAt = performance.now() + MODEL_TIMEOUT_MS
    let backoff = BACKOFF.next()
    for (let retriesLeft = MODEL_MAX_RETRIES; ; retriesLeft -= 1) {
      if (call.signal.aborted) return { kind: 'aborted' }
      const refusal = await findRefusal(name, call, progress)
      if (refusal) return { kind: 'refused', error: refusal }
      const remainingMs = deadlineAt - performance.now()
      const result = await this.tries.make({ name, model, call, progress, remainingMs })
      if (!(result instanceof ModelFailure)) return { kind: 'answered', answer: result }
      if (call.signal.aborted) return { kind: 'aborted' }
      const move = nextMove(result, {
        retriesLeft,
        backoffMs: backoff.duration,
        remainingMs: deadlineAt - performance.now(),
      })
      if (move.kind !== 'retry') return { kind: 'failed', failure: result, isFinal: move.kind === 'give_up' }
      backoff = backoff.next(undefined)
      if (!(await pause(move.delayMs, call.signal))) return { kind: 'aborted' }
    }
  }

  private get secrets(): string[] {
    const { OPENAI_API_KEY, ANTHROPIC_API_KEY } = this.config.settings
    return [OPENAI_API_KEY, ANTHROPIC_API_KEY].filter((secret) => secret !== undefined)
  }
}

/** Whether somebody has something against one more try, once one has cost something. */
async function findRefusal(model: string, call: ModelCall, progress: CallProgress): Promise<AppError | null> {
  const { uses, maxOutputTokens } = progress
  if (uses.length === 0) return null
  try {
    progress.holdNextTry(await call.beforeNextTry?.({ model, uses, maxOutputTokens }))
    return null
  } catch (error) {
    if (error instanceof AppError) return error
    throw error
  }
}

/** @returns false when it was cut short by an abort */
async function pause(ms: number, signal: AbortSignal): Promise<boolean> {
  return sleep(ms, true, { signal }).catch((error: unknown) => {
    if (signal.aborted) return false
    throw error
  })
}
