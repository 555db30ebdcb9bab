/** Due times that nobody saw to in time, of one outage. */
export interface MissedTimes {
  readonly count: number
  /** False: there are more than were counted. */
  readonly isCountExact: boolean
  readonly firstDueAt: Date
  /** Every due time until this moment. */
  readonly until: Date
}
