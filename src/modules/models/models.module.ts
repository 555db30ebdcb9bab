import { Module } from '@nestjs/common'
import { KeptAnswersRepository } from './kept-answers/kept-answers.repository.js'
import { KeptAnswers } from './kept-answers/kept-answers.service.js'
import { KeptAnswersSweep } from './kept-answers/kept-answers-sweep.job.js'
import { llmCacheMetricsProviders } from './kept-answers/llm-cache-metrics.service.js'
import { ModelCircuits } from './model-circuits.service.js'
import { ModelClient } from './model-client.js'
import { modelMetricsProviders } from './model-metrics.service.js'
import { ModelRegistry } from './model-registry.js'
import { ModelTries } from './model-tries.service.js'
import { TokenCounter } from './token-counter.js'
import { UsageEstimator } from './usage-estimator.service.js'

/** What calls of models need by themselves: no database. */
export const modelCallProviders = [
  ModelRegistry,
  ModelClient,
  ModelTries,
  ModelCircuits,
  UsageEstimator,
  TokenCounter,
  ...modelMetricsProviders,
]

@Module({
  providers: [...modelCallProviders, KeptAnswers, KeptAnswersRepository, KeptAnswersSweep, ...llmCacheMetricsProviders],
  exports: [ModelRegistry, ModelClient, KeptAnswers, TokenCounter],
})
export class ModelsModule {}
