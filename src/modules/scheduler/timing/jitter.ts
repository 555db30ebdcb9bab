import { createHash } from 'node:crypto'

const MS_PER_SECOND = 1000
const FRACTION_BYTES = 6

/**
 * By how much a schedule fires after its nominal times, the same for ever: 0 ≤ ms < `jitterSeconds` × 1000. From a hash of
 * its id, so that schedules with one pattern spread evenly and every replica knows the same delay.
 */
export function jitterMs(scheduleId: string, jitterSeconds: number): number {
  const hash = createHash('sha256').update(scheduleId).digest()
  const fraction = hash.readUIntBE(0, FRACTION_BYTES) / 2 ** (8 * FRACTION_BYTES)
  return Math.floor(fraction * jitterSeconds * MS_PER_SECOND)
}
