import { describe, expect, it } from '@jest/globals'
import { newLane } from './delivery-lane.js'
import { DeliveryPlaces } from './delivery-places.js'

const lane = (tenantId: string, window = 32) => Object.assign(newLane({ tenantId, webhookId: 'w' }), { window })
const newPlaces = () => new DeliveryPlaces({ size: 40, laneSize: 16 })

describe('DeliveryPlaces', () => {
  it('gives an endpoint no more than its own limit, and than it has shown to take', () => {
    const places = newPlaces()
    expect(places.offer(lane('a'), 0)).toBe(16)
    expect(places.offer(lane('a', 3), 0)).toBe(3)
    const busy = lane('a', 3)
    places.take(busy, 3)
    expect([places.offer(busy, 0), places.isLaneFull(busy)]).toEqual([0, true])
  })

  it('shares what is free between those who wait', () => {
    const places = newPlaces()
    expect(places.offer(lane('a'), 9)).toBe(4)
    expect(places.offer(lane('a'), 1000)).toBe(1)
  })

  it('gives one tenant half of them at most, and takes them back', () => {
    const places = newPlaces()
    const lanes = [lane('a'), lane('a'), lane('a')] as const
    places.take(lanes[0], 16)
    expect(places.offer(lanes[1], 0)).toBe(4)
    places.take(lanes[1], 4)
    expect([places.offer(lanes[2], 0), places.isTenantFull(lanes[2]), places.areFull]).toEqual([0, true, false])
    expect(places.offer(lane('b'), 0)).toBe(16)
    places.leave(lanes[0], 16)
    expect([places.isTenantFull(lanes[2]), places.offer(lanes[2], 0)]).toEqual([false, 16])
  })

  it('has none when all are taken', () => {
    const places = newPlaces()
    for (const tenant of ['a', 'a', 'b', 'b']) places.take(lane(tenant), 10)
    expect([places.areFull, places.offer(lane('c'), 0)]).toEqual([true, 0])
  })

  it('lets an endpoint have one more with each success, and half with each failure', () => {
    const places = newPlaces()
    const one = newLane({ tenantId: 'a', webhookId: 'w' })
    const begin = one.window
    places.learn(one, true)
    expect(one.window).toBe(begin + 1)
    for (let count = 0; count < 50; count += 1) places.learn(one, true)
    expect(one.window).toBe(16)
    places.learn(one, false)
    expect(one.window).toBe(8)
    for (let count = 0; count < 50; count += 1) places.learn(one, false)
    expect(one.window).toBe(1)
  })
})
