import { describe, expect, it } from '@jest/globals'
import { Slots } from './slots.js'

describe('Slots', () => {
  it('lets in as many as there are, and the rest in order as others leave', async () => {
    const slots = new Slots(2)
    const entered: string[] = []
    const enter = (name: string): Promise<void> => slots.take().then(() => void entered.push(name))
    const all = ['a', 'b', 'c', 'd'].map(enter)
    await Promise.all(all.slice(0, 2))
    expect(entered).toEqual(['a', 'b'])
    expect(slots.free).toBe(0)
    slots.leave()
    await all[2]
    expect(entered).toEqual(['a', 'b', 'c'])
    slots.leave()
    await all[3]
    slots.leave()
    slots.leave()
    expect(slots.free).toBe(2)
    expect(slots.inUse).toBe(0)
  })

  it('sends everybody away who waits or comes once it is closed', async () => {
    const slots = new Slots(1)
    expect(await slots.take()).toBe(true)
    const waiting = slots.take()
    slots.close()
    expect(await waiting).toBe(false)
    expect(await slots.take()).toBe(false)
    slots.leave()
    expect(slots.inUse).toBe(0)
  })
})
