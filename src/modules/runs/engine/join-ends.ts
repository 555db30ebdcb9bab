import type { StepEnd } from './journal.js'
import { sumOf } from './usage.js'

/** One end for each step that has several, since a statement changes a row once: how the last one has it, with what all used. */
export function joinEnds(ends: readonly StepEnd[]): StepEnd[] {
  return [...Map.groupBy(ends, ({ position }) => position).values()].flatMap((ofStep) => {
    const last = ofStep.at(-1)
    if (!last) return []
    const usage = sumOf(ofStep.map((end) => end.usage))
    const uses = ofStep.flatMap((end) => end.uses)
    const cache = ofStep.findLast((end) => end.cache !== null)?.cache ?? null
    return [{ ...last, usage, uses, cache }]
  })
}
