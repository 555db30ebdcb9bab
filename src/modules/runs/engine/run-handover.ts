/** At shutdown, runs that are about to end may; the rest is handed over, well within two seconds. */
export const HANDOVER_AFTER_MS = 1000
