/** A client's window once a request was counted in it. */
export interface Window {
  /** This request included. */
  readonly hits: number
  readonly remainingMs: number
}
