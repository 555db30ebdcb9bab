import type { RunTotals } from './claimed-run.js'
import type { RunEnd } from './journal.repository.js'

/** All that changed in a run until it ended, as its row has it. */
export interface RunEnding extends RunEnd {
  readonly startedAt: Date
  readonly attempt: number
  readonly cache: 'hit' | 'miss' | 'off'
  readonly totals: RunTotals
}
