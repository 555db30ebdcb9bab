/** Which run it is. */
export interface RunFacts {
  readonly runId: string
  readonly agent: string
  readonly agentVersion: number
  readonly model: string
  /** Null: nobody delegated it. */
  readonly parentRunId: string | null
  /** Null: no schedule has started it. */
  readonly scheduleId: string | null
}
