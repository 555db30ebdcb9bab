export type { AnswerQuestion } from './kept-answers/answer-question.js'
export { KeptAnswers } from './kept-answers/kept-answers.service.js'
export type {
  ModelAnswer,
  ModelCall,
  ModelDelta,
  ModelMessage,
  ModelOutcome,
  ModelTool,
  ModelToolCall,
  ModelUse,
  NextTry,
} from './model-call.js'
export { ModelClient } from './model-client.js'
export { ModelRegistry } from './model-registry.js'
export { ModelsModule } from './models.module.js'
export { TokenCounter } from './token-counter.js'
