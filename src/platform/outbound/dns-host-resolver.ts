import type { LookupAddress } from 'node:dns'
import { Resolver } from 'node:dns/promises'
import { readFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { HostResolver } from './host-resolver.js'
import { addressesInHosts, namesToAsk } from './name-files.js'
import { codeOf } from './outbound-errors.js'

/** For all questions about a host; less than the connector waits, so that what one family has answered is of use. */
const LOOKUP_TIMEOUT_MS = 4000
/** For one server's answer, twice as long in the second round. */
const TRY_TIMEOUT_MS = 1500
const TRIES = 2
/** A name without such addresses, or none that DNS could know. */
const UNKNOWN_CODES = new Set(['ENOTFOUND', 'ENODATA', 'EBADNAME'])

export interface DnsHostResolverOptions {
  /** Instead of those of resolv.conf: addresses, with ports. */
  readonly servers?: readonly string[]
  readonly hostsPath?: string
  readonly resolvConfPath?: string
}

/**
 * Finds hosts as containers expect it, the hosts file first, then DNS with the search domains, but not by `getaddrinfo`: that holds a thread
 * for as long as a name's server likes, libuv has two of them for all look-ups of the process, and tenants choose the names. Here
 * a slow name holds a socket for four seconds and delays nobody. A name that is being looked up is not asked for again.
 */
export class DnsHostResolver extends HostResolver {
  private readonly underway = new Map<string, Promise<readonly LookupAddress[]>>()
  private readonly servers: readonly string[] | undefined
  private readonly hostsPath: string
  private readonly resolvConfPath: string

  constructor(options: DnsHostResolverOptions = {}) {
    super()
    this.servers = options.servers
    this.hostsPath = options.hostsPath ?? '/etc/hosts'
    this.resolvConfPath = options.resolvConfPath ?? '/etc/resolv.conf'
  }

  override async resolve(hostname: string): Promise<readonly LookupAddress[]> {
    const shared = this.underway.get(hostname)
    if (shared) return shared
    const lookup = this.lookUp(hostname).finally(() => this.underway.delete(hostname))
    this.underway.set(hostname, lookup)
    return lookup
  }

  private async lookUp(hostname: string): Promise<readonly LookupAddress[]> {
    const own = addressesInHosts(await readIfThere(this.hostsPath), hostname)
    if (own.length > 0) return own
    const names = namesToAsk(await readIfThere(this.resolvConfPath), hostname)
    // Its own each time: c-ares shortens the time that it waits by what earlier answers took, and cancels all of a resolver's questions.
    const resolver = new Resolver({ timeout: TRY_TIMEOUT_MS, tries: TRIES })
    if (this.servers) resolver.setServers(this.servers)
    const signal = AbortSignal.timeout(LOOKUP_TIMEOUT_MS)
    const cancel = (): void => resolver.cancel()
    signal.addEventListener('abort', cancel)
    try {
      return await askInTurn(names, { resolver, signal })
    } finally {
      signal.removeEventListener('abort', cancel)
    }
  }
}

async function askInTurn(
  names: readonly string[],
  { resolver, signal }: { readonly resolver: Resolver; readonly signal: AbortSignal },
): Promise<readonly LookupAddress[]> {
  let failure: unknown
  for (const name of names) {
    const answers = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)])
    const found = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []))
    if (found.length > 0) return found.map((address) => ({ address, family: isIP(address) }))
    const reasons = answers.flatMap((answer): unknown[] => (answer.status === 'rejected' ? [answer.reason] : []))
    failure ??= reasons.find((reason) => !UNKNOWN_CODES.has(codeOf(reason) ?? ''))
    if (signal.aborted) break
  }
  throw failure ?? Object.assign(new Error(`Nobody knows ${names.at(-1)}.`), { code: 'ENOTFOUND' })
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return ''
    throw error
  }
}
