import { Usd } from '#kernel/usd.js'
import type { RunInput } from '../run.entity.js'

type Limits = NonNullable<RunInput['limits']>

/** The stricter of both, limit by limit. */
export function mergeLimits(a: Limits | undefined, b: Limits | undefined): Limits {
  const maxSteps = least(a?.maxSteps, b?.maxSteps)
  const maxTokens = least(a?.maxTokens, b?.maxTokens)
  const timeoutSeconds = least(a?.timeoutSeconds, b?.timeoutSeconds)
  const maxCostUsd = leastUsd(a?.maxCostUsd, b?.maxCostUsd)
  return {
    ...(maxSteps !== undefined && { maxSteps }),
    ...(maxTokens !== undefined && { maxTokens }),
    ...(timeoutSeconds !== undefined && { timeoutSeconds }),
    ...(maxCostUsd !== undefined && { maxCostUsd }),
  }
}

function least(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.min(a, b)
}

function leastUsd(a: string | undefined, b: string | undefined): string | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return Usd.parse(a).isAtLeast(Usd.parse(b)) ? b : a
}
