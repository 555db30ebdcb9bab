import { randomBytes } from 'node:crypto'

const UUID_PATTERN = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
/** `rand_a` holds 12 bits of sequence, so that ids made in one millisecond sort in the order they were made. */
const MAX_SEQUENCE = 0xfff
const RANDOM_POOL_BYTES = 4096
const RANDOM_BYTES_PER_ID = 10

let pool = Buffer.alloc(0)
let poolOffset = 0
let lastMs = 0
let sequence = 0

/** A UUIDv7 (RFC 9562 §5.7), strictly increasing within the process. */
export function newId(): string {
  const bytes = randomBlock()
  const now = Date.now()
  if (now > lastMs) {
    lastMs = now
    // Start low in the range, so that a burst has room before it borrows the next millisecond.
    sequence = bytes.readUInt16BE(0) & 0x3ff
  } else if (++sequence > MAX_SEQUENCE) {
    lastMs += 1
    sequence = 0
  }
  const time = lastMs.toString(16).padStart(12, '0')
  const variant = ((bytes[2] ?? 0) & 0x3f) | 0x80
  const tail = bytes.toString('hex', 3, RANDOM_BYTES_PER_ID)
  return (
    `${time.slice(0, 8)}-${time.slice(8)}-7${sequence.toString(16).padStart(3, '0')}-` +
    `${variant.toString(16)}${tail.slice(0, 2)}-${tail.slice(2)}`
  )
}

/** Whether `value` has the form of a UUID, of any version. */
export function isUuid(value: string): boolean {
  return UUID_PATTERN.test(value)
}

/** Fresh random bytes from a pool: one system call serves some four hundred ids. */
function randomBlock(): Buffer {
  if (poolOffset + RANDOM_BYTES_PER_ID > pool.length) {
    pool = randomBytes(RANDOM_POOL_BYTES)
    poolOffset = 0
  }
  const block = pool.subarray(poolOffset, poolOffset + RANDOM_BYTES_PER_ID)
  poolOffset += RANDOM_BYTES_PER_ID
  return block
}
