const FIRST_REST_MS = 1000
const LONGEST_REST_MS = 60_000
/** More than these that fail are no schedules' fault. */
const MAX_RESTING = 10_000

interface Rest {
  readonly failures: number
  readonly untilMs: number
}

/** Schedules whose turns have failed, and are left alone for a while, each time for twice as long: else the same ones would be looked at for ever. */
export class TurnBackoff {
  private readonly rests = new Map<string, Rest>()

  failed(id: string, nowMs: number): void {
    const failures = (this.rests.get(id)?.failures ?? 0) + 1
    const restMs = Math.min(LONGEST_REST_MS, FIRST_REST_MS * 2 ** (failures - 1))
    if (this.rests.size < MAX_RESTING) this.rests.set(id, { failures, untilMs: nowMs + restMs })
  }

  succeeded(id: string): void {
    this.rests.delete(id)
  }

  resting(nowMs: number): string[] {
    return [...this.rests].flatMap(([id, { untilMs }]) => (untilMs > nowMs ? [id] : []))
  }
}
