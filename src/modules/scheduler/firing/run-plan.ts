import type { PlannedRun, RunRequester } from '#modules/runs'

/** What a run of a schedule would be, or the code of why there can be none. */
export type RunPlan = { readonly run: PlannedRun; readonly refusal: null } | { readonly refusal: string }

/** One for each in whose name runs of a schedule can be. */
export function keyOf({ tenantId, userId, apiKeyId }: RunRequester): string {
  return `${tenantId}/${userId}/${apiKeyId ?? ''}`
}

/** Each once. */
export function uniqueRequesters(requesters: readonly RunRequester[]): RunRequester[] {
  return [...new Map(requesters.map((requester) => [keyOf(requester), requester])).values()]
}
