import { expect, it } from '@jest/globals'
import { setTimeout as sleep } from 'node:timers/promises'
import { createThreadPool } from './thread-pool.js'

const SUPPORT = new URL('../../../test/support/here.ts', import.meta.url).href

it('imports its workers: the process would not survive the end of a thread that requires one', async () => {
  const pool = createThreadPool<null, boolean>(SUPPORT, 'module-loading.worker')
  const inThread = await pool.run(null)
  await pool.destroy()
  expect(inThread).toBe(false)
})

it('survives the end of a thread that is still being loaded, and starts another', async () => {
  const pool = createThreadPool<null, boolean>(SUPPORT, 'module-loading.worker')
  for (let delay = 0; delay < 60; delay += 4) {
    const gaveUp = new AbortController()
    const outcome = pool.run(null, { signal: gaveUp.signal }).catch((error: unknown) => error)
    await sleep(delay)
    gaveUp.abort()
    await outcome
  }
  const done = await pool.run(null)
  await pool.destroy()
  expect(done).toBe(false)
})
