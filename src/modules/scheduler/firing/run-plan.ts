import type { PlannedRun } from '#modules/runs'
import type { Requester } from './turn-rows.js'

/** What a run of a schedule would be, or the code of why there can be none. */
export type RunPlan = { readonly run: PlannedRun; readonly refusal: null } | { readonly refusal: string }

/** One for each in whose name runs of a schedule can be. */
export function keyOf({ userId, apiKeyId }: Requester): string {
  return `${userId}/${apiKeyId ?? ''}`
}
