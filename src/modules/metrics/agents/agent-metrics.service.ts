import { Injectable } from '@nestjs/common'
import { Clock } from '#kernel/clock.js'
import { Usd } from '#kernel/usd.js'
import type { Principal } from '#platform/http/principal.js'
import { toTimeRange } from '../time-range.js'
import { type AgentFiguresRow, AgentMetricsReadModel } from './agent-metrics.read-model.js'
import type { AgentFigures, AgentMetrics, AgentMetricsQuery } from './agent-metrics.schemas.js'

const DEFAULT_HOURS = 7 * 24
/** A quarter. */
const MAX_HOURS = 92 * 24
/** More than a tenant can have at a time; of agents long gone the least used are left out. */
const MAX_AGENTS = 300

/** What agents have done and cost. */
@Injectable()
export class AgentMetricsService {
  constructor(
    private readonly figures: AgentMetricsReadModel,
    private readonly clock: Clock,
  ) {}

  /** @throws AppError `validation_failed` where there can be no such time, or it is too long */
  async get({ tenantId }: Principal, query: AgentMetricsQuery): Promise<AgentMetrics> {
    const range = toTimeRange(query, {
      now: this.clock.now(),
      bucket: 'hour',
      defaultBuckets: DEFAULT_HOURS,
      maxBuckets: MAX_HOURS,
    })
    const rows = await this.figures.list(tenantId, range, MAX_AGENTS)
    return { from: range.from.toISOString(), to: range.to.toISOString(), data: rows.map(toFigures) }
  }
}

function toFigures({ cacheHits, savedUsd, ...row }: AgentFiguresRow): AgentFigures {
  const decided = row.completed + row.failed
  return {
    agent: row.agent,
    runs: row.runs,
    completed: row.completed,
    failed: row.failed,
    cancelled: row.cancelled,
    successRate: decided === 0 ? null : row.completed / decided,
    avgDurationMs: row.avgDurationMs,
    p50DurationMs: row.p50DurationMs,
    p95DurationMs: row.p95DurationMs,
    costUsd: toUsd(row.costUsd),
    unpriced: row.unpriced,
    models: row.models.map((use) => ({
      model: use.model,
      executions: use.executions,
      costUsd: toUsd(use.costUsd),
      unpriced: use.unpriced,
      inputTokens: use.inputTokens,
      outputTokens: use.outputTokens,
    })),
    cache: { hits: cacheHits, savedUsd: toUsd(savedUsd) },
  }
}

function toUsd(numeric: string): string {
  return Usd.parse(numeric).toString()
}
