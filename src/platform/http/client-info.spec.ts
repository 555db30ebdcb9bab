import { describe, expect, it } from '@jest/globals'
import type { FastifyRequest } from 'fastify'
import { clientInfoOf } from './client-info.js'

const infoOf = (ip: string, userAgent?: string) =>
  clientInfoOf({ ip, headers: { 'user-agent': userAgent } } as unknown as FastifyRequest)

describe('what is kept of a client', () => {
  it.each([
    ['203.0.113.7', '203.0.113.7'],
    ['2001:db8::1', '2001:db8::1'],
    ['::ffff:203.0.113.7', '::ffff:203.0.113.7'],
    ['fe80::1%eth0', 'fe80::1'],
    [`fe80::1%${'a'.repeat(5000)}`, 'fe80::1'],
    ['unknown', 'unreadable'],
    ['<script>alert(1)</script>', 'unreadable'],
    ['203.0.113.7:4711', 'unreadable'],
    ['', 'unreadable'],
  ])('from %j is the address %j', (ip, address) => {
    expect(infoOf(ip).address).toBe(address)
  })

  it('is 256 characters of its name', () => {
    expect([infoOf('203.0.113.7', 'a'.repeat(300)).userAgent, infoOf('203.0.113.7').userAgent]).toEqual([
      'a'.repeat(256),
      null,
    ])
  })
})
