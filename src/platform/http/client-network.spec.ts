import { describe, expect, it } from '@jest/globals'
import { clientNetwork } from './client-network.js'

describe('clientNetwork', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::FFFF:192.0.2.1', '192.0.2.1'],
    ['::ffff:c000:201', '192.0.2.1'],
    ['0:0:0:0:0:ffff:192.0.2.1', '192.0.2.1'],
    ['192.0.2.1:4711', '192.0.2.1'],
    ['[::ffff:192.0.2.1]:443', '192.0.2.1'],
  ])('counts an IPv4 address as itself, however it is written: %s', (address, network) => {
    expect(clientNetwork(address)).toBe(network)
  })

  it.each([
    '2001:db8:1:2::1',
    '2001:db8:1:2:ffff:ffff:ffff:ffff',
    '2001:0DB8:0001:0002:0:0:0:99',
    '2001:db8:1:2::1%eth0',
    '[2001:db8:1:2::7]:8080',
    '2001:db8:1:2::192.0.2.1',
  ])('counts an IPv6 address as its /64: %s', (address) => {
    expect(clientNetwork(address)).toBe('2001:db8:1:2::/64')
  })

  it('tells neighbouring /64 networks apart', () => {
    expect(clientNetwork('2001:db8:1:3::1')).not.toBe(clientNetwork('2001:db8:1:2::1'))
    expect(clientNetwork('::1')).toBe('0:0:0:0::/64')
  })

  it.each([
    undefined,
    '',
    'unknown',
    '_hidden',
    '192.0.2.1, 192.0.2.2',
    '192.0.2.999',
    '3221225985',
    '0xc0000201',
    '0300.0.2.1',
    ':::1',
    '2001:db8::1::2',
    '[2001:db8::1',
    'a'.repeat(60),
    'example.com:80',
  ])('takes everything that is no address for one client: %s', (address) => {
    expect(clientNetwork(address)).toBe('unreadable')
  })
})
