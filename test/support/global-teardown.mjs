import { rmSync } from 'node:fs'

export default async function globalTeardown() {
  const { stop, folder } = globalThis.__TEMPONEST_TEST_SERVERS__
  await Promise.all(stop.map((one) => one()))
  rmSync(folder, { recursive: true, force: true })
}
