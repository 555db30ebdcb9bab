import type { PostgresServer } from './postgres.ts'

/** How much to measure; fewer and shorter for a look, the defaults for a figure to quote. */
export interface BenchOptions {
  rounds: number
  /** Length of one round of load. */
  seconds: number
  /** Runs of the cases that go one at a time. */
  runs: number
  /** Length of `schedule-chaos`, one kill in each. */
  minutes: number
}

export interface BenchContext {
  readonly options: BenchOptions
  /** The PostgreSQL that our app and the peers share, started on first use. */
  readonly postgres: () => Promise<PostgresServer>
}

/** A target of the project and how a figure stands to it. */
export interface Check {
  what: string
  value: string
  target: string
  met: boolean
}

export interface CaseResult {
  table: Record<string, string | number>[]
  checks: Check[]
  notes: string[]
  /** Anything above 0 makes the figures worthless and the bench fail. */
  errors: number
  /** The single measurements, for the JSON file. */
  measurements: unknown
}

/** One file in `cases/` exports this as `run`. */
export type BenchCase = (context: BenchContext) => Promise<CaseResult>
