import type { LookupAddress } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { buildConnector } from 'undici'
import type { HostResolver } from './host-resolver.js'
import { codeOf, refused, timedOut } from './outbound-errors.js'
import { portOf, type OutboundPolicy } from './outbound-policy.js'

export interface GuardedConnectorOptions {
  readonly policy: OutboundPolicy
  readonly resolver: HostResolver
  /** For finding the addresses, and again for connecting, TLS included. */
  readonly timeoutMs: number
}

/**
 * Opens connections to addresses that the policy allows, and to no other. The addresses that are checked are the ones that are
 * connected to: there is no second look-up that could say something else (DNS rebinding). One bad address among them refuses all,
 * since which is taken would be chance.
 */
export function guardedConnector({ policy, resolver, timeoutMs }: GuardedConnectorOptions): buildConnector.connector {
  const open = async (options: buildConnector.Options, callback: buildConnector.Callback): Promise<void> => {
    try {
      const addresses = await addressesOf(options.hostname, { resolver, timeoutMs })
      const port = portOf(options)
      if (addresses.length === 0 || !addresses.every(({ address }) => policy.allows(address, port))) throw unreachable()
      connectorTo(addresses, timeoutMs)(options, callback)
    } catch (error) {
      callback(error as Error, null)
    }
  }
  return (options, callback) => void open(options, callback)
}

function connectorTo(addresses: readonly LookupAddress[], timeoutMs: number): buildConnector.connector {
  return buildConnector({
    timeout: timeoutMs,
    allowH2: false,
    // A TLS session would be resumed by name, with whatever address had it before.
    maxCachedSessions: 0,
    lookup: answering(addresses),
  })
}

async function addressesOf(
  hostname: string,
  { resolver, timeoutMs }: Pick<GuardedConnectorOptions, 'resolver' | 'timeoutMs'>,
): Promise<readonly LookupAddress[]> {
  const family = isIP(hostname)
  // Sockets look up names only, so a literal must be judged here or would never be.
  if (family !== 0) return [{ address: hostname, family }]
  const { promise: timeout, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(timedOut(timeoutMs)), timeoutMs).unref()
  try {
    return await Promise.race([resolver.resolve(hostname), timeout])
  } catch (error) {
    if (codeOf(error) === 'ENOTFOUND') throw unreachable(error)
    throw error
  } finally {
    clearTimeout(timer)
  }
}

/** The same words for a name that does not exist and for one that is forbidden: nobody is to learn our internal names. */
function unreachable(cause?: unknown): Error {
  return refused('The host has no address that may be reached at this port.', cause)
}

/** A look-up that knows its answer. Sockets ask for all addresses (RFC 8305 tries them in turn) or for one. */
function answering(addresses: readonly LookupAddress[]): LookupFunction {
  return (_hostname, { all }, callback) => {
    if (all) return callback(null, [...addresses])
    const [first] = addresses
    return callback(null, first?.address ?? '', first?.family)
  }
}
