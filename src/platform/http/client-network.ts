import { isIP, isIPv4 } from 'node:net'
import ipaddr from 'ipaddr.js'

/** Of an IPv6 address the first four of eight groups: a network of 64 bits is the least that one customer is given. */
const NETWORK_GROUPS = 4
const MAPPED_PREFIX = '::ffff:'
/** `192.0.2.1:4711` and `[2001:db8::1]:4711`, as some proxies forward them. */
const WITH_PORT = /^(?:\[([^\]]+)\]|([^:]+)):\d{1,5}$/
/** Stands for what is no address. */
export const UNREADABLE = 'unreadable'

/**
 * Who is counted for a request: the IPv4 address, also of one that is mapped into IPv6; of an IPv6 address its /64, since
 * whoever has one address of it has them all. What is no address is one client altogether: a proxy that forwards nonsense
 * must not give everybody a limit of his own.
 * @param address Fastify's `request.ip`: the socket's, or past `TRUSTED_PROXIES` the rightmost address that is none of them
 */
export function clientNetwork(address: string | undefined): string {
  if (address === undefined) return UNREADABLE
  if (isIPv4(address)) return address
  if (address.startsWith(MAPPED_PREFIX) && isIPv4(address.slice(MAPPED_PREFIX.length))) {
    return address.slice(MAPPED_PREFIX.length)
  }
  const [, bracketed, bare] = WITH_PORT.exec(address) ?? []
  return networkOf(bracketed ?? bare ?? address)
}

/**
 * A client's address as it may be stored, without the zone that an IPv6 address can have.
 * @returns null for what is no address: a proxy may forward any text, and nobody must read it as where somebody was
 */
export function readableAddress(address: string | undefined): string | null {
  const [withoutZone = ''] = (address ?? '').split('%', 1)
  return isIP(withoutZone) === 0 ? null : withoutZone
}

function networkOf(address: string): string {
  if (isIPv4(address)) return address
  // The library also reads numbers as addresses; nobody sends those but to be counted anew.
  if (!address.includes(':')) return UNREADABLE
  try {
    const parsed = ipaddr.parse(address)
    if (!(parsed instanceof ipaddr.IPv6)) return UNREADABLE
    if (parsed.isIPv4MappedAddress()) return parsed.toIPv4Address().toString()
    const network = parsed.parts.slice(0, NETWORK_GROUPS).map((group) => group.toString(16))
    return `${network.join(':')}::/64`
  } catch {
    return UNREADABLE
  }
}
