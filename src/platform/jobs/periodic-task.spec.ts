import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from '@jest/globals'
import type { PinoLogger } from 'nestjs-pino'
import { PeriodicTask } from './periodic-task.js'

const EVERY_MS = 5

function taskOf(pass: () => Promise<void>) {
  const warnings: string[] = []
  const logger = { warn: (_fields: object, event: string) => warnings.push(event) } as unknown as PinoLogger
  return { task: new PeriodicTask({ everyMs: EVERY_MS, failure: 'pass_failed', logger, pass }), warnings }
}

describe('a periodic task', () => {
  it('passes again and again until it is stopped', async () => {
    let passes = 0
    const { promise, resolve } = Promise.withResolvers<void>()
    const { task } = taskOf(async () => {
      passes += 1
      if (passes === 3) resolve()
    })
    task.start()
    await promise
    await task.stop()
    const before = passes
    await sleep(EVERY_MS * 5)
    expect(passes).toBe(before)
  })

  it('has one pass at a time, which a second call joins', async () => {
    let passes = 0
    const held = Promise.withResolvers<void>()
    const { task } = taskOf(() => {
      passes += 1
      return held.promise
    })
    const both = Promise.all([task.run(), task.run()])
    held.resolve()
    await both
    expect(passes).toBe(1)
  })

  it('tells of a pass that fails, fails nobody, and goes on', async () => {
    let passes = 0
    const { task, warnings } = taskOf(async () => {
      passes += 1
      if (passes === 1) throw new Error('no database')
    })
    await task.run()
    await task.run()
    expect(warnings).toEqual(['pass_failed'])
    expect(passes).toBe(2)
  })

  it('is stopped once its pass is done, and tells the pass that it should be', async () => {
    const held = Promise.withResolvers<void>()
    const { task } = taskOf(() => held.promise)
    let isStopped = false
    const running = task.run()
    const stopped = task.stop().then(() => (isStopped = true))
    await sleep(EVERY_MS)
    expect(task.isStopping).toBe(true)
    expect(isStopped).toBe(false)
    held.resolve()
    await Promise.all([running, stopped])
  })

  it('works in batches until one is not full, or there have been enough, or it is to stop', async () => {
    const { task } = taskOf(async () => undefined)
    const founds = async (...found: number[]): Promise<number> => {
      let calls = 0
      await task.inBatches({ size: 10, maxBatches: 3 }, async () => found[calls++] ?? 10)
      return calls
    }
    expect(await founds(10, 9)).toBe(2)
    expect(await founds(10, 10, 10, 10)).toBe(3)
    await task.stop()
    expect(await founds(10)).toBe(0)
  })
})
