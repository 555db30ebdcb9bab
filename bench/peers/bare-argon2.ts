/**
 * `node bare-argon2.ts <verifies> <concurrency> <memory KiB> <passes>`: nothing but argon2 verifying one password, so many
 * times, so many at once. Prints the milliseconds of each as a JSON list.
 */
import { createRequire } from 'node:module'

// Ours: the peer measures the product's own library, and bench/ has none of its own.
const argon2 = createRequire(new URL('../../package.json', import.meta.url))('argon2') as typeof import('argon2')
const [verifies = 0, concurrency = 1, memoryCost = 0, timeCost = 0] = process.argv.slice(2).map(Number)
const password = 'Bench-Password-1'
const hash = await argon2.hash(password, { type: argon2.argon2id, memoryCost, timeCost, parallelism: 1 })

const latenciesMs: number[] = []
let remaining = verifies
async function verifyOnAndOn(): Promise<void> {
  while (remaining-- > 0) {
    const startedAt = performance.now()
    await argon2.verify(hash, password)
    latenciesMs.push(performance.now() - startedAt)
  }
}
await Promise.all(Array.from({ length: concurrency }, verifyOnAndOn))
process.stdout.write(JSON.stringify(latenciesMs))
