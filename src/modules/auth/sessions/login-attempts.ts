const FIRST_WAIT_SECONDS = 30
const LONGEST_WAIT_SECONDS = 3600
/** Beyond this the doubling has long met its ceiling. */
const MAX_DOUBLINGS = 10

/** How long an account waits after its `failures`th failed sign-in in a row; 0 while there are few. In seconds. */
export function lockoutSeconds(failures: number, limit: number): number {
  if (failures < limit) return 0
  return Math.min(FIRST_WAIT_SECONDS * 2 ** Math.min(failures - limit, MAX_DOUBLINGS), LONGEST_WAIT_SECONDS)
}
