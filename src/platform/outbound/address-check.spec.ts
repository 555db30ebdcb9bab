import { describe, expect, it } from '@jest/globals'
import { isInRanges, isPublicAddress, parseAddressRange } from './address-check.js'

describe('isPublicAddress', () => {
  it.each([
    '1.1.1.1',
    '9.255.255.255',
    '11.0.0.0',
    '100.63.255.255',
    '100.128.0.0',
    '172.15.255.255',
    '172.32.0.0',
    '192.167.255.255',
    '198.20.0.0',
    '223.255.255.255',
    '2606:4700::1111',
    '2a00:1450:4001::1',
    '::ffff:1.1.1.1',
    '64:ff9b::1.1.1.1',
  ])('takes %s for public', (address) => {
    expect(isPublicAddress(address)).toBe(true)
  })

  it.each([
    ['this network', '0.0.0.0'],
    ['this network', '0.255.255.255'],
    ['private', '10.0.0.0'],
    ['private', '10.255.255.255'],
    ['private', '172.16.0.0'],
    ['private', '172.31.255.255'],
    ['private', '192.168.0.1'],
    ['carrier-grade NAT', '100.64.0.0'],
    ['carrier-grade NAT, with the metadata of Alibaba', '100.100.100.200'],
    ['loopback', '127.0.0.1'],
    ['loopback', '127.255.255.254'],
    ['link-local, with the metadata of most clouds', '169.254.169.254'],
    ['link-local', '169.254.0.0'],
    ["Azure's platform", '168.63.129.16'],
    ["IETF protocols, with Oracle's metadata", '192.0.0.192'],
    ['documentation', '192.0.2.1'],
    ['documentation', '198.51.100.1'],
    ['documentation', '203.0.113.255'],
    ['6to4 relays', '192.88.99.1'],
    ['benchmarks', '198.18.0.0'],
    ['benchmarks', '198.19.255.255'],
    ['multicast', '224.0.0.1'],
    ['multicast', '239.255.255.255'],
    ['reserved', '240.0.0.1'],
    ['broadcast', '255.255.255.255'],
    ['unspecified', '::'],
    ['loopback', '::1'],
    ['IPv4-compatible', '::127.0.0.1'],
    ['IPv4-compatible, public inside', '::1.1.1.1'],
    ['mapped private', '::ffff:10.0.0.1'],
    ['mapped metadata in hex', '::ffff:a9fe:a9fe'],
    ['translated', '::ffff:0:1.1.1.1'],
    ['NAT64 of private', '64:ff9b::10.0.0.1'],
    ['NAT64 of metadata', '64:ff9b::a9fe:a9fe'],
    ["NAT64 of Azure's platform", '64:ff9b::168.63.129.16'],
    ['local NAT64', '64:ff9b:1::1.1.1.1'],
    ['6to4 of private', '2002:7f00:1::'],
    ['6to4', '2002:101:101::1'],
    ['Teredo', '2001:0:4136:e378:8000:63bf:3fff:fdd2'],
    ['documentation', '2001:db8::1'],
    ['documentation', '3fff:fff::1'],
    ['ORCHID', '2001:20::1'],
    ['benchmarks', '2001:2::1'],
    ['discard', '100::1'],
    ['segment routing', '5f00::1'],
    ['unique local', 'fc00::1'],
    ["unique local, Amazon's metadata", 'fd00:ec2::254'],
    ['link-local', 'fe80::1'],
    ['link-local with a zone', 'fe80::1%eth0'],
    ['public with a zone', '2606:4700::1111%eth0'],
    ['site-local', 'fec0::1'],
    ['multicast', 'ff02::1'],
    ["nobody's yet", '4000::1'],
    ["nobody's yet", '8000::1'],
    ['a name', 'localhost'],
    ['a number', '2130706433'],
    ['octal', '0177.0.0.1'],
    ['short', '127.1'],
    ['nothing', ''],
  ])('refuses %s: %s', (_why, address) => {
    expect(isPublicAddress(address)).toBe(false)
  })
})

describe('isInRanges', () => {
  const ranges = ['10.1.0.0/16', '192.168.7.7', 'fd00:1::/32'].map(parseAddressRange)

  it.each(['10.1.0.0', '10.1.255.255', '192.168.7.7', '::ffff:10.1.2.3', 'fd00:1::5'])('finds %s', (address) => {
    expect(isInRanges(address, ranges)).toBe(true)
  })

  it.each([
    '10.2.0.0',
    '10.0.255.255',
    '192.168.7.8',
    'fd00:2::5',
    '64:ff9b::10.1.2.3',
    '::10.1.2.3',
    'fd00:1::5%eth0',
  ])('does not find %s', (address) => {
    expect(isInRanges(address, ranges)).toBe(false)
  })
})
