/** The queue whose jobs say "this run waits". */
export const RUNS_QUEUE = 'runs'

/** A job's whole payload: the row knows the rest. */
export interface RunWakeUp {
  readonly tenantId: string
  readonly runId: string
}
