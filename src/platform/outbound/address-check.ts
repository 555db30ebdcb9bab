import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

type Address = ipaddr.IPv4 | ipaddr.IPv6

/** A range of addresses: its base and the length of its prefix. */
export type AddressRange = readonly [Address, number]

const IPV4_BITS = 32
const IPV6_BITS = 128
const IPV4_BYTES = 4
/** What IANA has given out as global unicast; the rest of IPv6 is special, reserved or nobody's. */
const GLOBAL_UNICAST_IPV6 = ipaddr.IPv6.parseCIDR('2000::/3')
/** NAT64 (RFC 6052): a gateway makes IPv4 of it, so that what counts is the address inside. */
const NAT64 = ipaddr.IPv6.parseCIDR('64:ff9b::/96')
/** Azure's platform on every virtual machine: credentials and configuration, at an address that looks public. */
const AZURE_PLATFORM = '168.63.129.16'

/** @param range `10.0.0.0/8`, or one address @throws Error for anything else */
export function parseAddressRange(range: string): AddressRange {
  if (range.includes('/')) return ipaddr.parseCIDR(range)
  const address = ipaddr.parse(range)
  return [address, address.kind() === 'ipv4' ? IPV4_BITS : IPV6_BITS]
}

/** Whether one of the ranges holds this address. One that is mapped into IPv6 is the IPv4 address it stands for. */
export function isInRanges(text: string, ranges: readonly AddressRange[]): boolean {
  const address = parseAddress(text)
  return address !== null && ranges.some(([base, bits]) => address.kind() === base.kind() && address.match(base, bits))
}

/**
 * Whether this is an address of the public internet: global unicast, of no special purpose (IANA's registries, RFC 6890).
 * What is not known to be public is not, so a range that is forgotten here is refused, not reached.
 */
export function isPublicAddress(text: string): boolean {
  const address = parseAddress(text)
  if (address === null) return false
  if (address instanceof ipaddr.IPv4) return isPublicIpv4(address)
  if (address.match(...NAT64)) return isPublicIpv4(new ipaddr.IPv4(address.toByteArray().slice(-IPV4_BYTES)))
  // 6to4 and Teredo hold an IPv4 address, too; nobody serves anything there any more, so they are refused whole.
  return address.match(...GLOBAL_UNICAST_IPV6) && address.range() === 'unicast'
}

function isPublicIpv4(address: ipaddr.IPv4): boolean {
  return address.range() === 'unicast' && address.toString() !== AZURE_PLATFORM
}

/** Null for what is no address as resolvers and sockets write it: `0x7f.1` and zones (`fe80::1%eth0`) are none. */
function parseAddress(text: string): Address | null {
  if (isIP(text) === 0 || text.includes('%')) return null
  return ipaddr.process(isIP(text) === 6 ? inHex(text) : text)
}

/** The library reads `::1.2.3.4`, which is IPv4-compatible and nobody's, as the mapped `::ffff:1.2.3.4`; WHATWG URLs know better. */
function inHex(ipv6: string): string {
  return new URL(`http://[${ipv6}]`).hostname.slice(1, -1)
}
