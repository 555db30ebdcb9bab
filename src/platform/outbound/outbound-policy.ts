import { isIP } from 'node:net'
import { type AddressRange, isInRanges, isPublicAddress, parseAddressRange } from './address-check.js'
import { refused } from './outbound-errors.js'

/** RFC 9110, section 4.1: what everybody should support. Nobody's address is longer. */
export const MAX_URL_CHARACTERS = 8000
/** Below are the services of operating systems; where an operator has opened a range, his own listen from here on. */
const FIRST_FREE_PORT = 1024
const DEFAULT_PORTS: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 }

export interface OutboundPolicyOptions {
  /** Ranges that may be reached though they are not public. */
  readonly allowedCidrs: readonly string[]
  /** Ports of public hosts. */
  readonly allowedPorts: readonly number[]
}

/**
 * What a URL that a tenant gives may point to. Addresses decide and never names: any name can be given any address, so that a list
 * of names (`localhost`, `*.internal`) would keep out the honest only.
 */
export class OutboundPolicy {
  private readonly allowedRanges: readonly AddressRange[]
  private readonly allowedPorts: ReadonlySet<number>

  constructor({ allowedCidrs, allowedPorts }: OutboundPolicyOptions) {
    this.allowedRanges = allowedCidrs.map(parseAddressRange)
    this.allowedPorts = new Set(allowedPorts)
  }

  /**
   * What can be told of a URL without asking for its host's address.
   * @returns the URL as it will be used: numbers of every spelling are addresses in it (WHATWG URL)
   * @throws AppError `outbound_refused`
   */
  checkUrl(given: string | URL): URL {
    const text = String(given)
    if (text.length > MAX_URL_CHARACTERS) throw refused(`The URL has more than ${MAX_URL_CHARACTERS} characters.`)
    const url = URL.parse(text)
    if (url === null) throw refused('The URL is not valid.')
    if (!(url.protocol in DEFAULT_PORTS)) throw refused('Only http and https URLs may be reached.')
    if (url.username !== '' || url.password !== '') {
      throw refused('A URL must not hold a user name or a password: send them in a header.')
    }
    const port = portOf(url)
    const address = url.hostname.replace(/^\[|\]$/g, '')
    if (!this.mayUse(port)) throw refused(`Port ${port} may not be reached.`)
    if (isIP(address) !== 0 && !this.allows(address, port)) throw refused('This address may not be reached.')
    return url
  }

  /** Whether a connection to this very address and port may be opened. */
  allows(address: string, port: number): boolean {
    if (isInRanges(address, this.allowedRanges)) return this.allowedPorts.has(port) || isOpenInRanges(port)
    return isPublicAddress(address) && this.allowedPorts.has(port)
  }

  /** Whether any host may be reached at this port: which, its address will tell. */
  private mayUse(port: number): boolean {
    return this.allowedPorts.has(port) || (this.allowedRanges.length > 0 && isOpenInRanges(port))
  }
}

/** @param url with a scheme of ours; its port is empty where it is the scheme's own */
export function portOf({ protocol, port }: Pick<URL, 'protocol' | 'port'>): number {
  return Number(port === '' ? DEFAULT_PORTS[protocol] : port)
}

function isOpenInRanges(port: number): boolean {
  return port >= FIRST_FREE_PORT || Object.values(DEFAULT_PORTS).includes(port)
}
