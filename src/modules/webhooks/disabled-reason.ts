/** Why an endpoint was switched off by itself: its receiver said 410, or did nothing but fail for days. */
export const DISABLED_REASONS = ['gone', 'failing'] as const
export type DisabledReason = (typeof DISABLED_REASONS)[number]
