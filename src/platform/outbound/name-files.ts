import type { LookupAddress } from 'node:dns'
import { isIP } from 'node:net'

/** As many search domains as glibc has long taken: each is a question more. */
const MAX_SEARCH_DOMAINS = 6
const DEFAULT_NDOTS = 1

/** What a hosts file (hosts(5)) has for a name, from all of its lines. */
export function addressesInHosts(text: string, hostname: string): LookupAddress[] {
  const wanted = hostname.replace(/\.$/, '')
  return linesOf(text)
    .filter(([, ...names]) => names.some((name) => name.toLowerCase() === wanted))
    .map(([address = '']) => ({ address, family: isIP(address) }))
    .filter(({ family }) => family !== 0)
}

/**
 * The names to ask for in turn, by the `search` and `ndots` of a resolv.conf(5): in Kubernetes `tools.dev` is a service first
 * and a host of the internet after that. A name that ends with a dot is complete.
 */
export function namesToAsk(text: string, hostname: string): readonly string[] {
  if (hostname.endsWith('.')) return [hostname]
  const lines = linesOf(text)
  const domains = lines.findLast(([keyword]) => keyword === 'search' || keyword === 'domain')?.slice(1) ?? []
  const searched = domains.slice(0, MAX_SEARCH_DOMAINS).map((domain) => `${hostname}.${domain.replace(/\.$/, '')}`)
  const dots = hostname.split('.').length - 1
  return dots >= ndotsOf(lines) ? [hostname, ...searched] : [...searched, hostname]
}

function ndotsOf(lines: readonly string[][]): number {
  const options = lines.filter(([keyword]) => keyword === 'options').flat()
  const found = options.findLast((option) => /^ndots:\d+$/.test(option))
  return found === undefined ? DEFAULT_NDOTS : Number(found.slice('ndots:'.length))
}

/** The words of each line, without its comment. */
function linesOf(text: string): string[][] {
  return text
    .split('\n')
    .map((line) => line.replace(/[#;].*/, '').trim())
    .filter((line) => line !== '')
    .map((line) => line.split(/\s+/))
}
