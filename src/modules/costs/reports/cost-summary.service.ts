import { Injectable } from '@nestjs/common'
import { AppError, invalidField } from '#kernel/app-error.js'
import { Clock } from '#kernel/clock.js'
import { Usd } from '#kernel/usd.js'
import type { Principal } from '#platform/http/principal.js'
import { CostSummaryRepository, type SummaryRow } from './cost-summary.repository.js'
import {
  type CostGroup,
  type CostSummary,
  type CostSummaryQuery,
  DEFAULT_RANGE_DAYS,
  MAX_SUMMARY_GROUPS,
  SUMMARY_KEYS,
} from './cost-summary.schemas.js'
import { type TimeRange, toHourParts } from './hour-parts.js'

const MS_PER_HOUR = 3_600_000
const MS_PER_DAY = 86_400_000

/** Sums up what a tenant has spent. */
@Injectable()
export class CostSummaries {
  constructor(
    private readonly summaries: CostSummaryRepository,
    private readonly clock: Clock,
  ) {}

  /** Exact for any range, at the moment of the question. @throws AppError `validation_failed` also for more groups than are given */
  async summarize({ tenantId }: Principal, { groupBy, ...filter }: CostSummaryQuery): Promise<CostSummary> {
    const range = this.rangeOf(filter)
    const asked = groupBy?.split(',') ?? []
    const keys = SUMMARY_KEYS.filter((key) => asked.includes(key))
    const parts = toHourParts(range)
    const rows = await this.summaries.sum({ tenantId, filter, parts, keys, limit: MAX_SUMMARY_GROUPS + 1 })
    if (rows.length > MAX_SUMMARY_GROUPS) throw tooManyGroups()
    const groups = rows.map(toGroup)
    return {
      from: range.from.toISOString(),
      to: range.to.toISOString(),
      totalCostUsd: sumOf(groups, 'costUsd'),
      totalTokens: countOf(groups, 'inputTokens') + countOf(groups, 'outputTokens'),
      executions: countOf(groups, 'executions'),
      unpriced: countOf(groups, 'unpriced'),
      cacheHits: countOf(groups, 'cacheHits'),
      savedUsd: sumOf(groups, 'savedUsd'),
      groups: keys.length > 0 ? groups : [],
    }
  }

  /** Up to the end of this hour unless said: whoever asks again, and of whom nothing has changed, gets the same answer. */
  private rangeOf({ from, to }: Pick<CostSummaryQuery, 'from' | 'to'>): TimeRange {
    const endOfHourMs = (Math.floor(this.clock.now().getTime() / MS_PER_HOUR) + 1) * MS_PER_HOUR
    const end = new Date(to ?? endOfHourMs)
    const begin = from === undefined ? new Date(end.getTime() - DEFAULT_RANGE_DAYS * MS_PER_DAY) : new Date(from)
    if (begin > end) throw invalidField('/from', 'Must not be later than `to`.')
    return { from: begin, to: end }
  }
}

function toGroup({ day, hour, executions, unpriced, ...row }: SummaryRow): CostGroup {
  const { inputTokens, cachedInputTokens, outputTokens, costUsd, cacheHits, savedUsd, ...names } = row
  return {
    key: {
      ...names,
      ...(day && { day: day.toISOString().slice(0, 'YYYY-MM-DD'.length) }),
      ...(hour && { hour: hour.toISOString() }),
    },
    costUsd: Usd.parse(costUsd).toString(),
    inputTokens: Number(inputTokens),
    cachedInputTokens: Number(cachedInputTokens),
    outputTokens: Number(outputTokens),
    executions: Number(executions),
    unpriced: Number(unpriced),
    cacheHits: Number(cacheHits),
    savedUsd: Usd.parse(savedUsd).toString(),
  }
}

function sumOf(groups: readonly CostGroup[], amount: 'costUsd' | 'savedUsd'): string {
  return groups.reduce((sum, group) => sum.plus(Usd.parse(group[amount])), Usd.ZERO).toString()
}

function countOf(
  groups: readonly CostGroup[],
  count: 'inputTokens' | 'outputTokens' | 'executions' | 'unpriced' | 'cacheHits',
): number {
  return groups.reduce((sum, group) => sum + group[count], 0)
}

function tooManyGroups(): AppError {
  const detail = `There would be more than ${MAX_SUMMARY_GROUPS} groups: ask for a shorter range, fewer keys, or days in place of hours.`
  return invalidField('/groupBy', detail)
}
