import type { RunEntity } from './run.entity.ts'

export class RunResponse {
  readonly id: string
  readonly agent: string
  readonly agentVersion: number
  readonly project: string | null
  readonly status: string
  readonly task: string
  readonly output: unknown
  readonly error: unknown
  readonly model: string | null
  readonly usage: Record<string, number>
  readonly costUsd: string | null
  readonly cache: string
  readonly attempt: number
  readonly parentRunId: string | null
  readonly scheduleId: string | null
  readonly metadata: unknown
  readonly createdAt: Date
  readonly startedAt: Date | null
  readonly finishedAt: Date | null
  readonly durationMs: number | null

  constructor(run: RunEntity) {
    this.id = run.id
    this.agent = run.agent
    this.agentVersion = run.agentVersion
    this.project = run.project
    this.status = run.status
    this.task = run.task
    this.output = run.output
    this.error = run.error
    this.model = run.model
    this.usage = {
      inputTokens: run.inputTokens,
      cachedInputTokens: run.cachedInputTokens,
      outputTokens: run.outputTokens,
      reasoningTokens: run.reasoningTokens,
      totalTokens: run.totalTokens,
    }
    this.costUsd = run.costUsd
    this.cache = run.cache
    this.attempt = run.attempt
    this.parentRunId = run.parentRunId
    this.scheduleId = run.scheduleId
    this.metadata = run.metadata
    this.createdAt = run.createdAt
    this.startedAt = run.startedAt
    this.finishedAt = run.finishedAt
    this.durationMs = run.durationMs
  }
}
