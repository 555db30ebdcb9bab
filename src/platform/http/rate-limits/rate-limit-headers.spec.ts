import { describe, expect, it } from '@jest/globals'
import { perHour, perMinute, type Standing } from './limit.js'
import { rateLimitHeaders } from './rate-limit-headers.js'

const tier: Standing = { limit: perMinute('anonymous', 60), remaining: 7, resetSeconds: 12 }
const route: Standing = { limit: perHour('register', 3), remaining: 2, resetSeconds: 3599 }

describe('rateLimitHeaders', () => {
  it('tells of all limits, and of the tightest one in the headers that hold one', () => {
    const expected = {
      'X-RateLimit-Limit': '3',
      'X-RateLimit-Remaining': '2',
      'X-RateLimit-Reset': '3599',
      'RateLimit-Policy': '"anonymous";q=60;w=60, "register";q=3;w=3600',
      RateLimit: '"anonymous";r=7;t=12, "register";r=2;t=3599',
    }
    expect(rateLimitHeaders([tier, route])).toEqual(expected)
    expect(rateLimitHeaders([{ ...tier, remaining: 1 }, route])).toMatchObject({ 'X-RateLimit-Limit': '60' })
  })

  it('names of two that are as empty the one that stays so for longer', () => {
    const empty = [
      { ...tier, remaining: 0 },
      { ...route, remaining: 0 },
    ]
    expect(rateLimitHeaders(empty)).toMatchObject({ 'X-RateLimit-Limit': '3', 'X-RateLimit-Reset': '3599' })
    expect(rateLimitHeaders(empty.toReversed())).toMatchObject({ 'X-RateLimit-Limit': '3' })
  })
})
