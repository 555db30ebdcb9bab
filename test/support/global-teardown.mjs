import { rmSync } from 'node:fs'
import { tellSlowStatements } from './slow-statements.mjs'

export default async function globalTeardown() {
  const { stop, folder, postgres } = globalThis.__TEMPONEST_TEST_SERVERS__
  if (postgres) await tellSlowStatements(postgres.url, postgres.logFile)
  await Promise.all(stop.map((one) => one()))
  rmSync(folder, { recursive: true, force: true })
}
