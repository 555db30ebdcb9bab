import { describe, expect, it } from '@jest/globals'
import { MAX_REMEMBERED_TENANTS, RunSlots } from './run-slots.js'

describe('RunSlots', () => {
  it('gives out as many as there are, and no more of them to one tenant than its share', () => {
    const slots = new RunSlots(3, 2)
    expect(['a', 'a', 'a', 'b', 'b'].map((tenant) => slots.take(tenant))).toEqual([true, true, false, true, false])
    expect(slots.free).toBe(0)
    expect(slots.inUse).toBe(3)
    expect(slots.fullTenants).toEqual(['a'])
    expect(slots.loads).toEqual([
      { tenantId: 'a', runs: 2 },
      { tenantId: 'b', runs: 1 },
    ])
  })

  it('has room again when somebody leaves, for who is below his share', () => {
    const slots = new RunSlots(2, 1)
    slots.take('a')
    slots.take('b')
    expect(slots.isFull('c')).toBe(true)
    slots.leave('a')
    expect(slots.isFull('b')).toBe(true)
    expect(slots.isFull('c')).toBe(false)
    expect(slots.take('c')).toBe(true)
    expect(slots.loads.map(({ tenantId }) => tenantId)).toEqual(['a', 'b', 'c'])
  })

  it('knows whose turn was the longest ago, also of those who have left', () => {
    const slots = new RunSlots(3, 3)
    for (const tenant of ['a', 'b', 'c']) slots.take(tenant)
    slots.leave('a')
    slots.leave('b')
    slots.take('a')
    expect(slots.loads).toEqual([
      { tenantId: 'b', runs: 0 },
      { tenantId: 'c', runs: 1 },
      { tenantId: 'a', runs: 1 },
    ])
  })

  it('forgets those whose turn was the longest ago, once there are many, and nobody who is inside', () => {
    const slots = new RunSlots(2, 1)
    slots.take('inside')
    for (let n = 1; n <= MAX_REMEMBERED_TENANTS; n++) {
      slots.take(`guest ${n}`)
      slots.leave(`guest ${n}`)
    }
    const known = slots.loads.map(({ tenantId }) => tenantId)
    expect(known).toHaveLength(MAX_REMEMBERED_TENANTS)
    expect(known.slice(0, 2)).toEqual(['inside', 'guest 2'])
  })

  it('lets nobody in once it is closed, while those inside stay until they leave', () => {
    const slots = new RunSlots(3, 3)
    slots.take('a')
    slots.close()
    expect(slots.free).toBe(0)
    expect(slots.take('b')).toBe(false)
    expect(slots.inUse).toBe(1)
    slots.leave('a')
    expect(slots.inUse).toBe(0)
  })

  it('does not let the same slot be given back twice', () => {
    const slots = new RunSlots(1, 1)
    slots.take('a')
    slots.leave('a')
    expect(() => slots.leave('a')).toThrow('nobody of this tenant holds a slot')
  })
})
