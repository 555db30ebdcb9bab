import type { AgentDefinition } from '#modules/agents'
import type { ModelTool } from '#modules/models'
import type { BoundTool } from '#modules/tools'
import type { MoveRules } from './next-move.js'
import type { RunPrompt } from './run-prompt.js'

/** What a run is worked on with: the same on every worker, but for what tools say of themselves today. */
export interface RunContext {
  readonly agent: AgentDefinition
  readonly prompt: RunPrompt
  /** The run's model, then what stands in for it. */
  readonly models: readonly string[]
  /** As the model is told of them. */
  readonly tools: readonly ModelTool[]
  readonly bound: ReadonlyMap<string, BoundTool>
  readonly rules: MoveRules
}
